package collective_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// What is exchanged in place would be overwritten before it is sent.
func TestAllToAllInPlace(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Net(), 3, 3)
	g.do(func(ctx context.Context, w *worker) error {
		all := make([]int32, 9)
		for _, slices := range [][2][]int32{{all[:6], all[:6]}, {all[:6], all[3:]}, {all[3:], all[:6]}} {
			require.ErrorIs(t, collective.AllToAll(ctx, w, slices[0], slices[1]), collective.ErrArgument)
		}
		return collective.AllToAll(ctx, w, all[:3], all[3:6])
	})
}

// A member's part may be where it belongs already.
func TestGatheredInPlace(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Net(), 3, 3)
	for algo := range collective.Auto {
		g.do(func(ctx context.Context, w *worker) error {
			rank, using := w.Rank(), collective.Using(algo)
			all := make([]int32, 3)
			all[rank] = int32(rank) + 1
			if err := collective.AllGather(ctx, w, all[rank:rank+1], all, using); err != nil {
				return err
			}
			if err := same("all-gather", rank, []int32{1, 2, 3}, all); err != nil {
				return err
			}
			if err := collective.Scatter(ctx, w, 1, all, all[rank:rank+1], using); err != nil {
				return err
			}
			if err := same("scatter", rank, []int32{1, 2, 3}, all); err != nil {
				return err
			}
			if err := collective.Gather(ctx, w, 2, all[rank:rank+1], all, using); err != nil {
				return err
			}
			return same("gather", rank, []int32{1, 2, 3}, all)
		})
	}
}
