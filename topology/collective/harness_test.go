package collective_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// patience is far more than anything here takes, however busy the machine.
const patience = time.Minute

// worker is a node whose Run does what the test says.
type worker struct {
	collective.Member
	do    func(context.Context) error
	notes *notes // of the tests of routing
	hold  func() // what Hold does
}

func (w *worker) Run(ctx context.Context) error { return w.do(ctx) }

// Hold does what the test says in the node's turn, so that meanwhile nothing arrives.
func (w *worker) Hold(context.Context) error { w.hold(); return nil }

// team is a group whose members live in one process, each on a host of its own unless hosts says otherwise.
type team struct {
	t       testing.TB
	system  *actor.System
	workers []*worker
	nodes   []*actor.Node
}

func newTeam(t testing.TB, cfg actor.Config, kind topology.Kind, n, hosts int) *team {
	cfg.Table = actor.NewTable()
	g := &team{t: t, system: actor.NewSystem(cfg)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, g.system.Close(ctx))
	})
	group := collective.Over(kind)
	for i := range n {
		w := &worker{}
		key := fmt.Sprint("w/", i)
		collective.Join(group, actor.NewRef[*worker](cfg.Table, key), w, fmt.Sprint("host", i%hosts))
		g.workers = append(g.workers, w)
	}
	require.NoError(t, group.Seal())
	for i, w := range g.workers {
		node, err := g.system.Spawn(actor.Spec{Key: fmt.Sprint("w/", i), Value: w})
		require.NoError(t, err)
		require.NoError(t, node.Start(t.Context()))
		g.nodes = append(g.nodes, node)
	}
	return g
}

// all runs f as each member, at once, and returns their errors.
func (g *team) all(f func(ctx context.Context, w *worker) error) []error {
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	errs := make([]error, len(g.workers))
	var group sync.WaitGroup
	for i, w := range g.workers {
		w.do = func(ctx context.Context) error { return f(ctx, w) }
		group.Go(func() { errs[i] = g.nodes[i].Run(ctx) })
	}
	group.Wait()
	return errs
}

// do is all for what must go well.
func (g *team) do(f func(ctx context.Context, w *worker) error) {
	g.t.Helper()
	for i, err := range g.all(f) {
		require.NoError(g.t, err, "member %d", i)
	}
}
