package collective_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// What it costs, where nobody ends, that an operation could go on without members: so many messages more than with NeedAll.
func TestEndings(t *testing.T) {
	const members = 8
	const small, large = 4, 5000 // int32 for each: what is the same at all is kept up to 16 KiB
	for name, c := range map[string]struct {
		op   int
		n    int
		algo collective.Algorithm
		want int64
	}{
		"barrier":                {7, 0, collective.Tree, 0},
		"small all-reduce":       {3, small, collective.Doubling, 0},
		"small all-gather":       {4, small, collective.Ring, 0},
		"all-reduce in a ring":   {3, large, collective.Ring, 2 * (members - 1)},
		"all-reduce along trees": {3, large, collective.DoubleTree, members - 1},
		"all-gather along trees": {4, large, collective.Tree, members - 1},
		"gather":                 {0, small, collective.Direct, members - 1},
		"reduce":                 {2, large, collective.Chain, members - 1},
		"scatter":                {1, small, collective.Tree, 2 * (members - 1)},
		"reduce-scatter":         {5, small, collective.Direct, 2 * (members - 1)},
		"all-to-all":             {6, small, collective.Direct, 2 * (members - 1)},
	} {
		messages := func(opts ...collective.Option) int64 {
			var heard atomic.Int64
			synctest.Test(t, func(t *testing.T) {
				g := newTeam(t, actor.Config{}, topology.Net(), members, members)
				for _, w := range g.workers {
					w.heard = func() { heard.Add(1) }
				}
				g.do(func(ctx context.Context, w *worker) error {
					_, err := survivings[c.op].do(ctx, w, c.n, append(opts, collective.Using(c.algo))...)
					return err
				})
			})
			return heard.Load()
		}
		require.Equal(t, c.want, messages()-messages(collective.NeedAll()), name)
	}
}
