package learning

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/transmit"
)

func TestBatches(t *testing.T) {
	ctx := patient(t)
	ref := data(t, transmit.Table{Name: "replay", Sampler: transmit.Prioritised(1)})
	for n := range 4 {
		_, err := transmit.Insert(ctx, ref, "replay", transmit.Step{"n": tensor.Scalar(int64(n))}, 1)
		require.NoError(t, err)
	}
	rounds := 0
	var only uint64
	for b, err := range Batches(ctx, ref, "replay", 5) {
		require.NoError(t, err)
		require.Len(t, b.Items, 5)
		if rounds == 0 { // from now on there is one item that is sampled
			only = b.Items[0].Key
			b.Priorities = make([]float64, 5)
			for i, it := range b.Items {
				if it.Key == only {
					b.Priorities[i] = 8
				}
			}
		} else if rounds > 10 { // what was asked for ahead has been used up
			for _, it := range b.Items {
				if it.Priority == 8 {
					require.Equal(t, only, it.Key)
				}
				require.InDelta(t, it.Priority/8, it.Probability, 1) // of what is left of the others
			}
			break
		}
		rounds++
	}
	info, err := transmit.Info(ctx, ref)
	require.NoError(t, err)
	require.Equal(t, 4, info.Tables[0].Items)
}

func TestBatchesEnd(t *testing.T) {
	ref := data(t, transmit.Table{Name: "replay"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := transmit.Insert(ctx, ref, "replay", transmit.Step{"n": tensor.Scalar(1.0)}, 1)
	require.NoError(t, err)
	rounds := 0
	for b, err := range Batches(ctx, ref, "replay", 2) {
		if rounds++; rounds == 2 {
			require.ErrorIs(t, err, context.Canceled)
			continue
		}
		require.NoError(t, err)
		require.Len(t, b.Items, 2)
		cancel()
	}
	require.Equal(t, 2, rounds)

	for _, err := range Batches(patient(t), ref, "nothing", 2) {
		require.ErrorIs(t, err, transmit.ErrNoTable)
	}
	for b, err := range Batches(patient(t), ref, "replay", 2) {
		if err != nil {
			require.ErrorIs(t, err, transmit.ErrPriority)
			break
		}
		b.Priorities = []float64{1, -1}
	}
}

func TestImportance(t *testing.T) {
	b := &Batch{Items: []transmit.Item{{Size: 10, Probability: 0.1}, {Size: 10, Probability: 0.4}, {Size: 10, Probability: 0.025}}}
	require.InDeltaSlice(t, []float32{1, 1, 1}, b.Importance(0), 1e-6)
	require.InDeltaSlice(t, []float32{0.5, 0.25, 1}, b.Importance(0.5), 1e-6)
	require.InDeltaSlice(t, []float32{0.25, 0.0625, 1}, b.Importance(1), 1e-6)
}
