package learning

import (
	"context"
	"iter"
	"math"

	"github.com/tartrl/tlaunch-go/transmit"
)

// A Batch is items that were sampled together.
type Batch struct {
	Items []transmit.Item
	// Priorities, if they are set, become those of the items, in their order. They are 0 or more.
	Priorities []float64
}

// Batches samples from a table, size items at a time, until the caller stops
// or there is an error, ctx's included. The next batches are asked for while
// the caller learns from one.
func Batches(ctx context.Context, data transmit.Ref, table string, size int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		sampler := transmit.NewSampler(data, table, transmit.SamplerConfig{Batch: size})
		defer sampler.Close(ctx)
		for {
			items, err := sampler.Take(ctx, size)
			if err == nil {
				err = ctx.Err() // also where there were items at hand
			}
			b := &Batch{Items: items}
			if !yield(b, err) || err != nil {
				return
			}
			if err := b.prioritise(ctx, data, table); err != nil {
				yield(b, err)
				return
			}
		}
	}
}

func (b *Batch) prioritise(ctx context.Context, data transmit.Ref, table string) error {
	if b.Priorities == nil {
		return nil
	}
	keys := make([]uint64, len(b.Items))
	for i, it := range b.Items {
		keys[i] = it.Key
	}
	_, err := transmit.UpdatePriorities(ctx, data, table, keys, b.Priorities)
	return err
}

// Importance are the weights by which a learner makes up for having sampled
// some items more often than others, the greatest being 1 (Schaul et al.,
// "Prioritized Experience Replay", 2016, section 3.4). beta is from 0, not at
// all, to 1, wholly.
func (b *Batch) Importance(beta float64) []float32 {
	weights, greatest := make([]float64, len(b.Items)), 0.0
	for i, it := range b.Items {
		weights[i] = math.Pow(float64(it.Size)*it.Probability, -beta)
		greatest = max(greatest, weights[i])
	}
	scaled := make([]float32, len(weights))
	for i, w := range weights {
		scaled[i] = float32(w / greatest)
	}
	return scaled
}
