package collective_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Whichever operation it is, by whatever algorithm: the end of a member's context, at any message, ends it for all that are not through. These hear whose
// it was, those have what they should, and the group can be used afterwards, with all its window.
func TestCancelAnywhere(t *testing.T) {
	kinds := []topology.Kind{topology.Star(), topology.Tree(2), topology.Chain(), topology.Ring(), topology.Net()}
	broadcast := surviving{"broadcast", true, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		data := make([]int32, n)
		if w.Rank() == 0 {
			data = ofAll(5, n)
		}
		return data, collective.Broadcast(ctx, w, 0, data, opts...)
	}, func(_, _, n int, _ func(int) bool) []int32 { return ofAll(5, n) }}
	all := func(int) bool { return true }
	seed := rand.Uint64()
	for i, op := range append([]surviving{broadcast}, survivings...) {
		for algo := range collective.Auto {
			seed++
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				members := 2 + r.IntN(8)
				g := newTeam(t, actor.Config{}, kinds[(i+int(algo))%len(kinds)], members, max(1, members*2/3))
				g.delay(seed)
				heard := make([]atomic.Pointer[func()], members) // what else is done at a message
				for rank, w := range g.workers {
					late := w.heard
					w.heard = func() {
						late()
						if f := heard[rank].Load(); f != nil {
							(*f)()
						}
					}
				}
				opts := []collective.Option{collective.Using(algo), collective.Chunk(16)}
				for range 3 {
					n, who, left := r.IntN(40), r.IntN(members), r.IntN(12)
					say := fmt.Sprintf("%s by %v of %d, %d members, the context of %d ends after %d, seed %d", op.name, algo, n, members, who, left, seed)
					over, cancel := context.WithCancel(context.Background())
					count := func() {
						if left--; left <= 0 {
							cancel()
						}
					}
					heard[who].Store(&count)
					g.do(func(ctx context.Context, w *worker) error {
						this, stop := context.WithCancel(ctx)
						defer stop()
						if w.Rank() == who {
							defer context.AfterFunc(over, stop)()
						}
						numbers, err := op.do(this, w, n, opts...)
						switch {
						case err == nil && !slices.Equal(op.want(w.Rank(), members, n, all), numbers):
							return fmt.Errorf("%s: %d has %v", say, w.Rank(), numbers)
						case err != nil && (!errors.Is(err, context.Canceled) || errors.Is(err, collective.ErrAborted) != (w.Rank() != who)):
							return fmt.Errorf("%s: %d: %w", say, w.Rank(), err)
						}
						return nil
					})
					cancel()
					heard[who].Store(nil)
				}
				n := 8
				if int(algo) == i%int(collective.Auto) {
					n = 3 << 16 // more than a window
				}
				g.do(func(ctx context.Context, w *worker) error {
					data := make([]int64, n)
					data[len(data)-1] = 1
					if err := collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(algo)); err != nil {
						return err
					}
					return same("sum", w.Rank(), []int64{int64(members)}, data[len(data)-1:])
				})
			})
		}
	}
}
