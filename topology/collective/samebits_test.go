package collective_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A shape puts numbers together in one order, whatever messages are late: another group of that shape has the same bits. By each algorithm, and by the shape's own.
func TestSameBitsWhateverIsLate(t *testing.T) {
	const members, hosts, n = 7, 4, 70
	seed := rand.Uint64()
	for i, kind := range shapes {
		var first map[string][]float32
		for run := range 2 {
			synctest.Test(t, func(t *testing.T) {
				g := newTeam(t, actor.Config{}, kind, members, hosts)
				g.delay(seed + uint64(run))
				got := map[string][]float32{}
				for algo := range collective.Auto {
					if i > 0 && algo != collective.ByShape && algo != collective.AlongShape {
						continue // the others know no shapes
					}
					opts := []collective.Option{collective.Using(algo), collective.Chunk(64)}
					all, parts, sums := make([][]float32, members), make([][]float32, members), make([][]float32, members)
					g.do(func(ctx context.Context, w *worker) error {
						r, rank := rand.New(rand.NewPCG(1, uint64(w.Rank()))), w.Rank()
						numbers := func(n int) []float32 {
							v := make([]float32, n)
							for i := range v {
								v[i] = r.Float32() * float32(int(1)<<r.IntN(20))
							}
							return v
						}
						all[rank], parts[rank], sums[rank] = numbers(n), make([]float32, n), numbers(n)
						if err := collective.AllReduce(ctx, w, all[rank], collective.Mean, opts...); err != nil {
							return err
						}
						if err := collective.ReduceScatter(ctx, w, numbers(members*n), parts[rank], collective.Sum, opts...); err != nil {
							return err
						}
						return collective.Reduce(ctx, w, 3, sums[rank], collective.Sum, opts...)
					})
					for _, v := range all {
						require.Equal(t, all[0], v, "%v by %v", kind, algo)
					}
					got["all-reduce by "+algo.String()] = all[0]
					got["reduce-scatter by "+algo.String()] = slices.Concat(parts...)
					got["reduce by "+algo.String()] = sums[3]
				}
				if first == nil {
					first = got
				}
				require.Equal(t, first, got, "%v, seed %d", kind, seed)
			})
		}
	}
}
