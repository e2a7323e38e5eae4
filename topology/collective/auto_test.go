package collective_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// The first operation that chooses measures; all members then make the same choice, and say the same of it.
func TestAuto(t *testing.T) {
	const members, n = 5, 100_000
	g := newTeam(t, actor.Config{}, topology.Tree(2), members, 4)
	told := make([][]collective.Forecast, members)
	tell := func(rank int) collective.Option {
		return collective.Explain(func(f collective.Forecast) { told[rank] = append(told[rank], f) })
	}
	g.do(func(ctx context.Context, w *worker) error {
		data := make([]float32, n)
		data[0] = 1
		// Nothing is measured for what is not to be chosen.
		if err := collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(collective.Ring), tell(w.Rank())); err != nil {
			return err
		}
		for range 2 { // the second time it remembers
			if err := collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(collective.Auto)); err != nil {
				return err
			}
		}
		if err := collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(collective.Auto), collective.Chunk(1024), tell(w.Rank())); err != nil {
			return err
		}
		return same("sum", w.Rank(), []float32{members * members * members * members, 0}, data[:2])
	})
	for rank := range told {
		require.Equal(t, told[0], told[rank], "%d", rank)
	}
	first, second := told[0][0], told[0][1]
	require.False(t, first.Measured)
	require.Equal(t, collective.Ring, first.Chosen.Algorithm)
	require.Equal(t, collective.DefaultChunk, first.Chosen.Chunk)
	require.True(t, second.Measured)
	require.Contains(t, second.Candidates, second.Chosen)
	require.Equal(t, 1024, second.Chosen.Chunk)
	require.Equal(t, "AllReduce", second.Operation)
	require.Equal(t, []int{4 * n, members, 4}, []int{second.Bytes, second.Members, second.Hosts})
}

// Members that measure while another does something else hear of it, and one whose context ends while they measure ends it for all.
func TestMeasureFails(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Net(), 3, 3)
	for i, err := range g.all(func(ctx context.Context, w *worker) error {
		if w.Rank() == 1 {
			return collective.Barrier(ctx, w)
		}
		return collective.Measure(ctx, w)
	}) {
		require.ErrorIs(t, err, collective.ErrDisagree, "%d", i)
	}
	g.do(func(ctx context.Context, w *worker) error {
		this := ctx
		if w.Rank() == 1 {
			over, cancel := context.WithCancel(ctx)
			cancel()
			this = over
		}
		if err := collective.Measure(this, w); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("measuring ended with: %w", err)
		}
		return collective.Barrier(ctx, w, collective.Using(collective.Auto))
	})
}
