package actor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestBatched(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			v := &evaluator{}
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: v, Batches: []actor.Batch{actor.Batched((*evaluator).Squares, 4, 30*time.Millisecond)}})
			ref := actor.NewRef[*evaluator](c.tables[from], "a/0")
			var g sync.WaitGroup
			for i := range 10 {
				g.Go(func() {
					got, err := actor.CallBatched(t.Context(), ref, (*evaluator).Squares, i)
					require.NoError(t, err)
					require.Equal(t, i*i, got)
				})
			}
			g.Wait()
			require.Len(t, v.sizes, 3)
			require.Equal(t, 4, v.sizes[0])
		})
	}
}

type evaluator struct{ sizes []int }

func (e *evaluator) Squares(_ context.Context, xs []int) ([]int, error) {
	e.sizes = append(e.sizes, len(xs))
	out := make([]int, len(xs))
	for i, x := range xs {
		out[i] = x * x
	}
	return out, nil
}
