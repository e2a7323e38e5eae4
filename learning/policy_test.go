package learning

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// scale multiplies, and notes the sizes of batches.
type scale struct {
	by      float32
	batches []int
}

func (s *scale) Load(w map[string]tensor.Tensor) error {
	v, err := tensor.Values[float32](w["by"])
	if err == nil {
		s.by = v[0]
	}
	return err
}

func (s *scale) Evaluate(observations [][]float32) ([][]float32, error) {
	s.batches = append(s.batches, len(observations))
	all := make([][]float32, len(observations))
	for i, o := range observations {
		all[i] = []float32{o[0] * s.by}
	}
	return all, nil
}

// shelf is a source of weights.
type shelf struct {
	mu     sync.Mutex
	newest *collective.Version
	more   chan struct{} // closed when there is another
}

func newShelf() *shelf { return &shelf{more: make(chan struct{})} }

// put has the source give a version that multiplies by its number; 0 ends it.
func (s *shelf) put(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = &collective.Version{Number: number, Tensors: map[string]tensor.Tensor{"by": tensor.Of([]float32{float32(number)})}}
	close(s.more)
	s.more = make(chan struct{})
}

func (s *shelf) Next(ctx context.Context, after uint64) (*collective.Version, error) {
	for {
		s.mu.Lock()
		newest, more := s.newest, s.more
		s.mu.Unlock()
		switch {
		case newest != nil && newest.Number == 0:
			return nil, collective.ErrEnded
		case newest != nil && newest.Number > after:
			return newest, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func TestLocal(t *testing.T) {
	weights := newShelf()
	l := &Local{Model: &scale{}, Weights: weights}
	for _, n := range []uint64{3, 3, 4, 4} {
		weights.put(n)
		values, version, err := l.Values(patient(t), []float32{2})
		require.NoError(t, err)
		require.Equal(t, []float32{2 * float32(n)}, values)
		require.Equal(t, n, version)
	}
	weights.newest = &collective.Version{Number: 5}
	_, _, err := l.Values(t.Context(), []float32{2})
	require.ErrorIs(t, err, tensor.ErrType)
	weights.put(0)
	_, _, err = l.Values(t.Context(), []float32{2})
	require.ErrorIs(t, err, collective.ErrEnded)
}

// thinker is a node that evaluates for others.
type thinker struct{ Inference }

func TestInference(t *testing.T) {
	ctx := patient(t)
	node, model, weights := &thinker{}, &scale{}, newShelf()
	ref := spawn(t, "thinker/0", node, actor.Spec{Batches: []actor.Batch{actor.Batched((*thinker).Evaluate, 4, time.Hour)}})
	remote := Remote{actor.As[Evaluator](ref)}
	served := make(chan error, 1)
	go func() { served <- node.Serve(ctx, model, weights) }()
	var asking sync.WaitGroup
	for i := range 8 { // those who wait for the first weights
		asking.Go(func() {
			values, version, err := remote.Values(ctx, []float32{float32(i)})
			if err != nil || version != 2 || len(values) != 1 || values[0] != 2*float32(i) {
				t.Errorf("asked for %d: %v, version %d, %v", i, values, version, err)
			}
		})
	}
	weights.put(2)
	asking.Wait()
	weights.put(5)
	require.Eventually(t, func() bool {
		node.mu.Lock()
		defer node.mu.Unlock()
		return node.version == 5
	}, patience, time.Millisecond)
	weights.put(0)
	require.NoError(t, <-served)
	e, err := node.Evaluate(ctx, [][]float32{{1}, {2}}) // it goes on with what it has
	require.NoError(t, err)
	require.Equal(t, []Evaluation{{[]float32{5}, 5}, {[]float32{10}, 5}}, e)
	require.Equal(t, []int{4, 4, 2}, model.batches)
}

func TestInferenceFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n, weights := &Inference{}, newShelf()
	weights.newest = &collective.Version{Number: 1}
	require.ErrorIs(t, n.Serve(ctx, &scale{}, weights), tensor.ErrType)
	cancel()
	_, err := n.Evaluate(ctx, [][]float32{{1}})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, n.Serve(ctx, &scale{}, newShelf()), context.Canceled)
	weights.put(0)
	require.ErrorIs(t, n.Serve(ctx, &scale{}, weights), context.Canceled, "weights and context have ended")
}

// ended is a source that says so when its context is over, as a reader does.
type ended struct{}

func (ended) Next(ctx context.Context, _ uint64) (*collective.Version, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("%w: %w", collective.ErrEnded, ctx.Err())
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, new(Inference).Serve(ctx, &scale{}, ended{}), context.Canceled)
}
