package collective_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A member that is slow holds up those that get their data through it, and as a leaf nobody but the root, which serves it.
func TestLeaf(t *testing.T) {
	const slow, chunks, each = 1, 64, 10 * time.Millisecond
	for _, algo := range []collective.Algorithm{collective.AlongShape, collective.Chain, collective.DoubleTree, collective.Doubling} {
		broadcast := func(opts ...collective.Option) (took [7]time.Duration) {
			synctest.Test(t, func(t *testing.T) {
				g := newTeam(t, actor.Config{}, topology.Tree(2), 7, 7)
				g.workers[slow].heard = func() { time.Sleep(each) }
				g.do(func(ctx context.Context, w *worker) error {
					began := time.Now()
					data := make([]byte, 64*chunks)
					if w.Rank() == 0 {
						for i := range data {
							data[i] = byte(i)
						}
					}
					err := collective.Broadcast(ctx, w, 0, data, append(opts, collective.Using(algo), collective.Chunk(64))...)
					for i, b := range data {
						require.Equal(t, byte(i), b)
					}
					took[w.Rank()] = time.Since(began)
					return err
				})
			})
			return took
		}
		through, leaf := broadcast(), broadcast(collective.Leaf(slow))
		held := 0
		for rank := range through {
			if rank == 0 || rank == slow {
				require.GreaterOrEqual(t, leaf[rank], chunks*each/2, "%v: %d waits for it", algo, rank)
				continue
			}
			if through[rank] >= chunks*each/2 {
				held++
			}
			require.Less(t, leaf[rank], 5*each, "%v: %d does not wait for it", algo, rank)
		}
		if algo != collective.Doubling { // there it is a leaf already
			require.Positive(t, held, "%v", algo)
		}
	}
}

// Who else is a leaf is a matter for all: members that do not agree on it hear of that.
func TestLeavesDisagree(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Chain(), 3, 3)
	for rank, err := range g.all(func(ctx context.Context, w *worker) error {
		return collective.Broadcast(ctx, w, 0, make([]byte, 100), collective.Leaf(w.Rank()))
	}) {
		require.ErrorIs(t, err, collective.ErrDisagree, "member %d", rank)
	}
	g.do(func(ctx context.Context, w *worker) error {
		require.ErrorIs(t, collective.Barrier(ctx, w, collective.Leaf(3)), collective.ErrArgument)
		return collective.Barrier(ctx, w, collective.Leaf(0, 1, 2))
	})
}
