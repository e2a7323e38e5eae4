package collective_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A mistake that one member makes and the others cannot see ends the operation for all of them, and is counted: the next finds them together.
func TestMistakeOfOne(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Tree(2), 4, 4)
	const wrong = 2
	for name, f := range map[string]func(ctx context.Context, w *worker) error{
		"gather": func(ctx context.Context, w *worker) error {
			all := make([]byte, 8)
			if w.Rank() == wrong {
				all = all[1:]
			}
			return collective.Gather(ctx, w, wrong, make([]byte, 2), all)
		},
		"all-to-all": func(ctx context.Context, w *worker) error {
			out := make([]byte, 4)
			if w.Rank() == wrong {
				return collective.AllToAll(ctx, w, out, nil)
			}
			return collective.AllToAll(ctx, w, out, make([]byte, 4))
		},
		"root": func(ctx context.Context, w *worker) error {
			if w.Rank() == wrong {
				return collective.Reduce(ctx, w, 4, []int32{1}, collective.Sum)
			}
			return collective.Reduce(ctx, w, 3, []int32{1}, collective.Sum)
		},
	} {
		errs := g.all(f)
		require.ErrorIs(t, errs[wrong], collective.ErrArgument, name)
		for rank, err := range errs {
			if err != nil { // a member that only sends may be through
				require.ErrorIs(t, err, collective.ErrArgument, "%s: member %d", name, rank)
			}
		}
		g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
	}
}

// A member whose Run has returned before an operation is missing there: nobody waits for it.
func TestRunHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
		g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
		close(g.workers[2].tasks)
		<-g.ended[2]
		for rank, err := range g.all(func(ctx context.Context, w *worker) error {
			data := []int32{1}
			err := collective.Broadcast(ctx, w, 0, data)
			if err != nil || w.Rank() == 0 {
				require.ErrorIs(t, err, collective.ErrMissing)
			}
			err = collective.AllReduce(ctx, w, data, collective.Sum)
			require.Equal(t, []int32{3}, data)
			return err
		}) {
			var missing *collective.MissingError
			if rank != 2 {
				require.ErrorAs(t, err, &missing)
				require.Equal(t, []string{"w/2"}, missing.Members)
			}
		}
	})
}

// Meet does an operation in a method of the node.
func (w *worker) Meet(ctx context.Context) error { return collective.Barrier(ctx, w) }

// A member that does its operations in methods may do more when its Run has returned.
func TestMethodsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTeamOf(t, actor.Config{}, topology.Chain(), 2, 2, 2)
		meet := func(ctx context.Context, w *worker) error {
			if w.Rank() == 0 {
				return collective.Barrier(ctx, w)
			}
			return nil
		}
		ask := func() error {
			return actor.Do0(t.Context(), actor.NewRef[*worker](g.table, "w/1"), (*worker).Meet)
		}
		result := make(chan error, 1)
		go func() { result <- ask() }()
		g.do(meet)
		require.NoError(t, <-result)
		close(g.workers[1].tasks)
		<-g.ended[1]
		go func() { result <- g.runAs(0, func(ctx context.Context) error { return meet(ctx, g.workers[0]) }) }()
		synctest.Wait()
		require.NoError(t, ask())
		require.NoError(t, <-result)
	})
}
