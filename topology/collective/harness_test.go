package collective_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// worker is a node whose Run does what the test says, one thing after another.
type worker struct {
	collective.Member
	tasks chan task
	heard func()            // called for each message of another member; nil: nothing
	peek  func([]byte)      // the same, with the message
	drops func([]byte) bool // tells of a message whether it does not come; nil: all do
	large time.Duration     // that a message of 64 KiB or more takes
	notes *notes            // of the tests of routing
	hold  func()            // what Hold does
}

// Collective takes a message as the member does.
func (w *worker) Collective(ctx context.Context, message []byte) error {
	if w.heard != nil {
		w.heard()
	}
	if w.peek != nil {
		w.peek(message)
	}
	if w.drops != nil && w.drops(message) {
		return nil
	}
	if len(message) >= 64<<10 {
		time.Sleep(w.large)
	}
	return w.Member.Collective(ctx, message)
}

type task struct {
	do   func(context.Context) error
	done chan<- error
}

// perform ends where the test gives up, too: who waits for it would wait for ever.
func (t task) perform(ctx context.Context) {
	err := errors.New("the test has failed there")
	defer func() { t.done <- err }()
	err = t.do(ctx)
}

func (w *worker) Run(ctx context.Context) error {
	for {
		select {
		case t, more := <-w.tasks:
			if !more {
				return nil
			}
			t.perform(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// Hold does what the test says in the node's turn, so that meanwhile nothing arrives.
func (w *worker) Hold(context.Context) error { w.hold(); return nil }

// team is a group whose members live in one process, each on a host of its own unless hosts says otherwise.
type team struct {
	t       testing.TB
	system  *actor.System
	table   *actor.Table
	workers []*worker
	nodes   []*actor.Node
	ended   []chan struct{} // closed when the node's Run has returned
}

func newTeam(t testing.TB, cfg actor.Config, kind topology.Kind, n, hosts int) *team {
	return newTeamOf(t, cfg, kind, n, hosts, 1)
}

// newTeamOf is newTeam of nodes with several turns each.
func newTeamOf(t testing.TB, cfg actor.Config, kind topology.Kind, n, hosts, turns int) *team {
	cfg.Table = actor.NewTable()
	g := &team{t: t, system: actor.NewSystem(cfg), table: cfg.Table}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, g.system.Close(ctx))
	})
	group := collective.Over(kind)
	for i := range n {
		w := &worker{tasks: make(chan task)}
		key := fmt.Sprint("w/", i)
		collective.Join(group, actor.NewRef[*worker](cfg.Table, key), w, fmt.Sprint("host", i%hosts))
		g.workers = append(g.workers, w)
	}
	require.NoError(t, group.Seal())
	for i, w := range g.workers {
		node, err := g.system.Spawn(actor.Spec{Key: fmt.Sprint("w/", i), Value: w, Concurrent: turns})
		require.NoError(t, err)
		require.NoError(t, node.Start(t.Context()))
		ended := make(chan struct{})
		go func() { // ends with the node
			defer close(ended)
			_ = node.Run(t.Context())
		}()
		g.nodes, g.ended = append(g.nodes, node), append(g.ended, ended)
	}
	return g
}

// delay has each fourth message or so be late, by up to 20 ms; for bubbles.
func (g *team) delay(seed uint64) {
	for rank, w := range g.workers {
		r := rand.New(rand.NewPCG(seed, uint64(rank)))
		w.heard = func() {
			if r.IntN(4) == 0 {
				time.Sleep(time.Duration(r.IntN(20_000)) * time.Microsecond)
			}
		}
	}
}

// all runs f as each member, at once, and returns their errors.
func (g *team) all(f func(ctx context.Context, w *worker) error) []error {
	errs := make([]error, len(g.workers))
	var group sync.WaitGroup
	for i, w := range g.workers {
		group.Go(func() { errs[i] = g.runAs(i, func(ctx context.Context) error { return f(ctx, w) }) })
	}
	group.Wait()
	return errs
}

// runAs runs f in the Run of a member.
func (g *team) runAs(rank int, f func(ctx context.Context) error) error {
	done := make(chan error, 1)
	select {
	case <-g.ended[rank]:
		return actor.ErrStopped
	default:
	}
	select {
	case g.workers[rank].tasks <- task{func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return f(ctx)
	}, done}:
		return <-done
	case <-g.ended[rank]:
		return actor.ErrStopped
	}
}

// do is all for what must go well.
func (g *team) do(f func(ctx context.Context, w *worker) error) {
	g.t.Helper()
	for i, err := range g.all(f) {
		require.NoError(g.t, err, "member %d", i)
	}
}
