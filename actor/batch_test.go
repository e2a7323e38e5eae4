package actor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestBatched(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
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
				require.Equal(t, []int{4, 4, 2}, v.sizes)
			})
		})
	}
}

// Who drains a node does not wait for a batch to fill.
func TestDrainRunsWhatGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		v := &evaluator{}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: v, Batches: []actor.Batch{actor.Batched((*evaluator).Squares, 4, time.Hour)}})
		ref := actor.NewRef[*evaluator](c.tables["a"], "a/0")
		var g sync.WaitGroup
		for i := range 3 {
			g.Go(func() {
				got, err := actor.CallBatched(t.Context(), ref, (*evaluator).Squares, i)
				require.NoError(t, err)
				require.Equal(t, i*i, got)
			})
		}
		synctest.Wait()
		began := time.Now()
		require.NoError(t, n.Drain(t.Context()))
		g.Wait()
		require.Zero(t, time.Since(began))
		require.Equal(t, []int{3}, v.sizes)
	})
}

// lasting is an evaluator that needs a while, and counts what it has done.
type lasting struct{ done atomic.Int64 }

func (l *lasting) Squares(_ context.Context, xs []int) ([]int, error) {
	time.Sleep(time.Second)
	l.done.Add(int64(len(xs)))
	return xs, nil
}

// A batch that is as old as it may be just then is waited for, whether its timer or Drain has it run.
func TestDrainWaitsForABatchThatBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait, rounds, drains = time.Millisecond, 200, 8
		c := newCluster(t, "a")
		v := &lasting{}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: v, Batches: []actor.Batch{actor.Batched((*lasting).Squares, 4, wait)}})
		ref := actor.NewRef[*lasting](c.tables["a"], "a/0")
		for i := range rounds {
			var g sync.WaitGroup
			g.Go(func() {
				_, err := actor.CallBatched(t.Context(), ref, (*lasting).Squares, i)
				require.NoError(t, err)
			})
			synctest.Wait()
			for range drains {
				g.Go(func() {
					time.Sleep(wait)
					require.NoError(t, n.Drain(t.Context()))
					require.EqualValues(t, i+1, v.done.Load())
				})
			}
			g.Wait()
		}
	})
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

// wide runs its batches beside each other.
type wide struct {
	mu    sync.Mutex
	sizes map[int]int
}

func (*wide) Concurrent() int { return 1 << 20 }

func (w *wide) Echo(_ context.Context, xs []int) ([]int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sizes[len(xs)]++
	return xs, nil
}

// A call that comes while a full batch is about to run does not join it: models are built for batches of one size.
func TestBatchesAreNoLargerBesideEachOther(t *testing.T) {
	const size, rounds, callers = 4, 100, 64
	c := newCluster(t, "a")
	w := &wide{sizes: map[int]int{}}
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w, Batches: []actor.Batch{actor.Batched((*wide).Echo, size, time.Hour)}})
	ref := actor.NewRef[*wide](c.tables["a"], "a/0")
	for range rounds {
		var g sync.WaitGroup
		for i := range callers {
			g.Go(func() {
				got, err := actor.CallBatched(t.Context(), ref, (*wide).Echo, i)
				require.NoError(t, err)
				require.Equal(t, i, got)
			})
		}
		g.Wait()
	}
	require.Equal(t, map[int]int{size: rounds * callers / size}, w.sizes)
}

func TestBatchWaits(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "a", "b")
				v := &evaluator{}
				spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: v, Batches: []actor.Batch{actor.Batched((*evaluator).Squares, 100, 0)}})
				ref := actor.NewRef[*evaluator](c.tables[from], "a/0")
				begin := time.Now()
				var group sync.WaitGroup
				for i := range 7 {
					group.Go(func() {
						got, err := actor.CallBatched(t.Context(), ref, (*evaluator).Squares, i)
						require.NoError(t, err)
						require.Equal(t, i*i, got)
					})
				}
				group.Wait()
				require.Equal(t, actor.DefaultBatchWait, time.Since(begin))
				require.Equal(t, []int{7}, v.sizes)
				plain, err := actor.Call(t.Context(), ref, (*evaluator).Squares, []int{2, 3})
				require.NoError(t, err)
				require.Equal(t, []int{4, 9}, plain)
			})
		})
	}
}

func TestBatchOfOneAndWithoutWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, b := range []actor.Batch{actor.Batched((*evaluator).Squares, -3, time.Hour), actor.Batched((*evaluator).Squares, 9, -1)} {
			c := newCluster(t, "a")
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &evaluator{}, Batches: []actor.Batch{b}})
			begin := time.Now()
			got, err := actor.CallBatched(t.Context(), actor.NewRef[*evaluator](c.tables["a"], "a/0"), (*evaluator).Squares, 5)
			require.NoError(t, err, b)
			require.Equal(t, 25, got)
			require.Zero(t, time.Since(begin))
		}
	})
}

// faulty fails its batches in the way it was told.
type faulty struct {
	how  string
	sawn [][]string
}

func (f *faulty) All(_ context.Context, in []string) ([]string, error) {
	f.sawn = append(f.sawn, in)
	switch f.how {
	case "error":
		return nil, errors.New("no good")
	case "panic":
		panic("boom")
	case "goexit":
		runtime.Goexit()
	case "count":
		return in[1:], nil
	}
	return in, nil
}

func TestBatchFails(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		f := &faulty{}
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: f, Batches: []actor.Batch{actor.Batched((*faulty).All, 3, time.Hour)}})
		spawn(t, c.systems["a"], actor.Spec{Key: "a/1", Value: &faulty{}})
		ref := actor.NewRef[*faulty](c.tables[from], "a/0")
		for _, how := range []string{"error", "panic", "goexit", "count", ""} {
			f.how = how
			out := make(chan error, 3)
			for range 3 {
				go func() { _, err := actor.CallBatched(t.Context(), ref, (*faulty).All, "x"); out <- err }()
			}
			for range 3 {
				err := <-out
				switch how {
				case "":
					require.NoError(t, err)
				case "panic", "goexit":
					require.ErrorIs(t, err, actor.ErrPanic)
				case "error":
					require.ErrorContains(t, err, "no good")
				case "count":
					require.ErrorContains(t, err, "2 results for 3")
				}
			}
		}
		_, err := actor.CallBatched(t.Context(), actor.NewRef[*faulty](c.tables[from], "a/1"), (*faulty).All, "x")
		require.ErrorIs(t, err, actor.ErrNoMethod)
		_, err = actor.CallBatched(t.Context(), ref, func(*faulty, context.Context, []string) ([]string, error) { return nil, nil }, "x")
		require.ErrorIs(t, err, actor.ErrNotMethod)
	})
}

func TestBatchInOrderWithoutThoseWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		f := &faulty{}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: f, Batches: []actor.Batch{actor.Batched((*faulty).All, 9, time.Second)}})
		ref := actor.NewRef[*faulty](c.tables["a"], "a/0")
		for i := range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { _, _ = actor.CallBatched(ctx, ref, (*faulty).All, fmt.Sprint(i)) }()
			synctest.Wait()
			if i == 1 {
				cancel()
			} else {
				t.Cleanup(cancel)
			}
		}
		time.Sleep(2 * time.Second) // of the bubble
		require.NoError(t, n.Drain(t.Context()))
		require.Equal(t, [][]string{{"0", "2", "3"}}, f.sawn)
	})
}

func TestStopAnswersAWaitingBatch(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			f := &faulty{}
			n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: f, Batches: []actor.Batch{actor.Batched((*faulty).All, 9, time.Second)}})
			out := make(chan error, 3)
			for range 3 {
				go func() {
					_, err := actor.CallBatched(t.Context(), actor.NewRef[*faulty](c.tables[from], "a/0"), (*faulty).All, "x")
					out <- err
				}()
			}
			synctest.Wait()
			require.NoError(t, n.Stop(t.Context()))
			for range 3 {
				require.ErrorIs(t, <-out, actor.ErrStopped)
			}
			time.Sleep(2 * time.Second) // of the bubble: the timer is gone
			require.Empty(t, f.sawn)
		})
	}
}
