package collective_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology"
)

// All can be asked and told in a shape of any depth, by each: also in a chain that is longer than calls may follow each other.
func TestDeepShapes(t *testing.T) {
	const n = 40
	for _, kind := range []topology.Kind{topology.Chain(), topology.Ring()} {
		for _, hosts := range []int{n, 3} {
			g, all := newNotedTeam(t, kind, n, hosts)
			for _, from := range []int{0, 17} {
				g.as(from, func(ctx context.Context, w *worker) {
					reply, err := ranks.Ask(ctx, w, 0)
					require.NoError(t, err)
					require.Equal(t, n-1, reply.Answered)
					require.NotContains(t, reply.Value, from)
					require.NoError(t, note.Tell(ctx, w, from))
				})
			}
			for rank := range n {
				want := slices.DeleteFunc([]int{0, 17}, func(from int) bool { return from == rank })
				require.Eventually(t, func() bool {
					told, _ := all.to(rank)
					slices.Sort(told) // of two senders
					return slices.Equal(want, told)
				}, patience, time.Millisecond, "%v, member %d", kind, rank)
			}
		}
	}
}
