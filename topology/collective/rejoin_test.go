package collective_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// restart starts the node of a member again, as its program is built again for that.
func (g *team) restart(rank int) {
	group := collective.Over(g.workers[0].Shape().Kind())
	var fresh *worker
	for i := range g.workers {
		w := &worker{tasks: make(chan task), heard: g.workers[i].heard}
		key := fmt.Sprint("w/", i)
		collective.Join(group, actor.NewRef[*worker](g.table, key), w, g.workers[i].Shape().Member(i).Host)
		if i == rank {
			fresh = w
		}
	}
	require.NoError(g.t, group.Seal())
	old := g.nodes[rank]
	node, err := old.Replace(fresh)
	require.NoError(g.t, err)
	require.NoError(g.t, old.Stop(g.t.Context()))
	require.NoError(g.t, node.Start(g.t.Context()))
	ended := make(chan struct{})
	go func() { // ends with the node
		defer close(ended)
		_ = node.Run(g.t.Context())
	}()
	g.workers[rank], g.nodes[rank], g.ended[rank] = fresh, node, ended
}

// A member that was started again, between operations or in the middle of one, is told so, and takes part in the next that nobody has come to.
func TestStartedAgain(t *testing.T) {
	for algo := range collective.Auto {
		for rank := range 4 {
			synctest.Test(t, func(t *testing.T) {
				g := newTeam(t, actor.Config{}, topology.Tree(2), 4, 4)
				g.delay(rand.Uint64())
				sum := func(ctx context.Context, w *worker) error {
					data := []int64{int64(w.Rank()), 1, 2, 3, 4}
					if err := collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(algo), collective.Chunk(8)); err != nil {
						return err
					}
					return same("sum", w.Rank(), []int64{6, 4, 8, 12, 16}, data)
				}
				together := func(ctx context.Context, w *worker) error {
					for range 10 {
						err := sum(ctx, w)
						if err == nil {
							return nil
						}
						require.ErrorIs(t, err, collective.ErrMissing)
						require.ErrorContains(t, err, fmt.Sprint("w/", rank))
					}
					return fmt.Errorf("%d does not find the others", w.Rank())
				}
				g.do(sum)
				g.do(sum)
				g.restart(rank)
				g.do(together)
				g.do(sum)

				var errs []error // in the middle: the others wait for it
				over := make(chan struct{})
				go func() {
					defer close(over)
					errs = g.all(func(ctx context.Context, w *worker) error {
						if w.Rank() == rank {
							<-ctx.Done()
							return ctx.Err()
						}
						return together(ctx, w)
					})
				}()
				synctest.Wait()
				g.restart(rank)
				require.NoError(t, g.runAs(rank, func(ctx context.Context) error { return together(ctx, g.workers[rank]) }))
				<-over
				for i, err := range errs {
					require.Equal(t, i == rank, err != nil, "member %d: %v", i, err)
				}
			})
		}
	}
}

// A member that was started again has not measured, and learns what the others have: otherwise it would measure while they do what it chooses for.
func TestStartedAgainChoosesAlike(t *testing.T) {
	const rank = 2
	g := newTeam(t, actor.Config{}, topology.Tree(2), 4, 4)
	chosen := make([]collective.Candidate, 4)
	sum := func(ctx context.Context, w *worker) error {
		data := []int64{1, int64(w.Rank())}
		tell := collective.Explain(func(f collective.Forecast) { chosen[w.Rank()] = f.Chosen })
		if err := collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(collective.Auto), tell); err != nil {
			return err
		}
		return same("sum", w.Rank(), []int64{4, 6}, data)
	}
	g.do(sum)
	g.restart(rank)
	g.do(func(ctx context.Context, w *worker) error {
		for range 10 {
			err := sum(ctx, w)
			if err == nil {
				return nil
			}
			require.ErrorIs(t, err, collective.ErrMissing)
		}
		return fmt.Errorf("%d does not find the others", w.Rank())
	})
	for i := range chosen {
		require.Equal(t, chosen[0], chosen[i], "%d", i)
	}
}
