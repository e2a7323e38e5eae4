package learning

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
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

func version(n uint64) Weights {
	return Weights{n, map[string]tensor.Tensor{"by": tensor.Of([]float32{float32(n)})}}
}

func TestLocal(t *testing.T) {
	newest, asked := version(3), 0
	l := &Local{Model: &scale{}, Every: 2, Newest: func(context.Context) (Weights, error) { asked++; return newest, nil }}
	for i, want := range []struct {
		value   float32
		version uint64
	}{{6, 3}, {6, 3}, {8, 4}, {8, 4}} {
		values, version, err := l.Values(t.Context(), []float32{2})
		require.NoError(t, err)
		require.Equal(t, []float32{want.value}, values, i)
		require.Equal(t, want.version, version)
		newest = Weights{Number: 4, Tensors: version4}
	}
	require.Equal(t, 2, asked)

	newest = Weights{Number: 5}
	_, _, err := l.Values(t.Context(), []float32{2})
	require.ErrorIs(t, err, tensor.ErrType)
}

var version4 = version(4).Tensors

// thinker is a node that evaluates for others.
type thinker struct {
	Inference
	weights chan Weights // has the newest, once there is one
}

func (n *thinker) Start(context.Context) error {
	n.Model = &scale{}
	n.Newest = func(ctx context.Context) (Weights, error) {
		select {
		case w := <-n.weights:
			n.weights <- w
			return w, nil
		case <-ctx.Done():
			return Weights{}, ctx.Err()
		}
	}
	return nil
}

// Bring is how weights come to the node.
func (n *thinker) Bring(_ context.Context, number uint64) error {
	select {
	case <-n.weights:
	default:
	}
	n.weights <- version(number)
	return nil
}

func TestInference(t *testing.T) {
	ctx := patient(t)
	node := &thinker{weights: make(chan Weights, 1)}
	ref := spawn(t, "thinker/0", node, actor.Spec{Batches: []actor.Batch{actor.Batched((*thinker).Evaluate, 4, time.Hour)}})
	remote := Remote{actor.As[Evaluator](ref)}
	ask := func(version uint64) {
		t.Helper()
		var asking sync.WaitGroup
		for i := range 8 {
			asking.Go(func() {
				values, got, err := remote.Values(ctx, []float32{float32(i)})
				if err != nil || got != version || len(values) != 1 || values[0] != float32(i)*float32(version) {
					t.Errorf("asked for %d: %v, version %d, %v", i, values, got, err)
				}
			})
		}
		if version == 2 { // those who wait for the first weights do not hold up what brings them
			require.NoError(t, actor.Do(ctx, ref, (*thinker).Bring, version))
		}
		asking.Wait()
	}
	ask(2)
	require.NoError(t, actor.Do(ctx, ref, (*thinker).Bring, 5))
	ask(5)
	node.mu.Lock()
	defer node.mu.Unlock()
	require.Equal(t, []int{4, 4, 4, 4}, node.Model.(*scale).batches)
}

func TestInferenceFails(t *testing.T) {
	n := &Inference{Model: &scale{}, Newest: func(context.Context) (Weights, error) { return Weights{Number: 1}, nil }}
	_, err := n.Evaluate(t.Context(), [][]float32{{1}})
	require.ErrorIs(t, err, tensor.ErrType)
	none := errors.New("none")
	n.Newest = func(context.Context) (Weights, error) { return Weights{}, none }
	_, err = n.Evaluate(t.Context(), [][]float32{{1}})
	require.ErrorIs(t, err, none)
}
