package actor_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// witness shows its context to the test.
type witness struct {
	saw  func(ctx context.Context) error
	turn int
}

func (w *witness) See(ctx context.Context) error { return w.saw(ctx) }
func (w *witness) Run(ctx context.Context) error { return w.saw(ctx) }

type ctxKey struct{}

func TestDeadlineReachesTheMethod(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		w := &witness{}
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w})
		ref := actor.NewRef[*witness](c.tables[from], "a/0")
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), ctxKey{}, 1), time.Hour)
		defer cancel()
		want, _ := ctx.Deadline()
		w.saw = func(ctx context.Context) error {
			got, ok := ctx.Deadline()
			require.True(t, ok)
			require.WithinDuration(t, want, got, 2*time.Minute)
			require.Nil(t, ctx.Value(ctxKey{}), "values stay at home")
			require.Equal(t, "a/0", actor.Self(ctx))
			require.Equal(t, "a", actor.HostOf(ctx))
			require.Equal(t, c.systems["a"], actor.SystemOf(ctx))
			return ctx.Err()
		}
		require.NoError(t, actor.Do0(ctx, ref, (*witness).See))
	})
}

func TestEndOfTheCallerEndsTheMethod(t *testing.T) {
	for name, end := range map[string]error{"cancelled": context.Canceled, "too late": context.DeadlineExceeded} {
		for _, from := range []string{"a", "b"} {
			t.Run(name+" from "+from, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, "a", "b")
					saw := make(chan error, 2)
					w := &witness{saw: func(ctx context.Context) error {
						child, stop := context.WithTimeout(ctx, time.Hour)
						defer stop()
						<-child.Done()
						saw <- child.Err()
						saw <- ctx.Err()
						return ctx.Err()
					}}
					spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w})
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if end == context.Canceled {
						time.AfterFunc(time.Millisecond, cancel)
					}
					require.ErrorIs(t, actor.Do0(ctx, actor.NewRef[*witness](c.tables[from], "a/0"), (*witness).See), end)
					require.Equal(t, end, <-saw)
					require.Equal(t, end, <-saw)
				})
			})
		}
	}
}

func TestContextEndsWithItsMethod(t *testing.T) {
	c := newCluster(t, "a")
	var kept []context.Context
	w := &witness{}
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w})
	ref := actor.NewRef[*witness](c.tables["a"], "a/0")
	for name, touch := range map[string]func(context.Context){
		"untouched": func(context.Context) {}, "done": func(ctx context.Context) { ctx.Done() },
		"child": func(ctx context.Context) {
			child, cancel := context.WithTimeout(ctx, time.Hour)
			t.Cleanup(cancel) // too late: it must end before
			kept = append(kept, child)
		},
	} {
		w.saw = func(ctx context.Context) error {
			touch(ctx)
			kept = append(kept, ctx)
			return ctx.Err()
		}
		require.NoError(t, actor.Do0(t.Context(), ref, (*witness).See), name)
		require.NoError(t, actor.Tell0(t.Context(), ref, (*witness).See), name)
		require.NoError(t, n.Drain(t.Context()))
	}
	require.NoError(t, n.Drain(t.Context()))
	require.Len(t, kept, 8)
	for _, ctx := range kept {
		<-ctx.Done()
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		require.ErrorIs(t, context.Cause(ctx), context.Canceled)
		require.Error(t, actor.Do0(ctx, ref, (*witness).See), "a call under an ended context")
		require.ErrorIs(t, actor.Turn(ctx, func(context.Context) error { return nil }), actor.ErrStopped)
	}
}

func TestChildrenOfAMethodsContextNeedNoGoroutine(t *testing.T) {
	c := newCluster(t, "a", "b")
	w := &witness{saw: func(ctx context.Context) error {
		before := runtime.NumGoroutine()
		for range 100 {
			_, cancel := context.WithCancel(ctx)
			defer cancel()
		}
		require.Less(t, runtime.NumGoroutine()-before, 50)
		called := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { close(called) })
		require.True(t, stop())
		return nil
	}}
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w})
	for _, table := range c.tables {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		require.NoError(t, actor.Do0(ctx, actor.NewRef[*witness](table, "a/0"), (*witness).See))
		cancel()
	}
}

func TestTurn(t *testing.T) {
	c := newCluster(t, "a")
	w := &witness{}
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w})
	failed := errors.New("failed")
	inTurn := func(ctx context.Context) error {
		return actor.Turn(ctx, func(inner context.Context) error {
			w.turn++
			require.Equal(t, "a/0", actor.Self(inner))
			return failed
		})
	}
	w.saw = inTurn
	require.Equal(t, failed, n.Run(t.Context()))
	err := actor.Do0(t.Context(), actor.NewRef[*witness](c.tables["a"], "a/0"), (*witness).See)
	require.ErrorContains(t, err, "failed")
	require.Equal(t, 2, w.turn)

	w.saw = func(ctx context.Context) error { return actor.Turn(ctx, func(context.Context) error { panic("p") }) }
	require.ErrorIs(t, n.Run(t.Context()), actor.ErrPanic)
	require.ErrorIs(t, actor.Turn(t.Context(), inTurn), actor.ErrZeroRef)

	var outlived context.Context
	w.saw = func(ctx context.Context) error { outlived = ctx; return nil }
	require.NoError(t, n.Run(t.Context()))
	require.ErrorIs(t, actor.Turn(outlived, inTurn), context.Canceled)
	w.saw = inTurn
	require.NoError(t, n.Stop(t.Context()))
	require.ErrorIs(t, n.Run(t.Context()), actor.ErrStopped)
}

// A function that has begun is waited for, whatever becomes of the context:
// it may touch what the caller owns.
func TestTurnWaitsForWhatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		w, owned := &witness{}, 0
		w.saw = func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			err := actor.Turn(ctx, func(context.Context) error { time.Sleep(time.Minute); owned++; return nil })
			require.Equal(t, 1, owned)
			return err
		}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w})
		require.NoError(t, n.Run(t.Context()))
	})
}

type hoarder struct{ kept, dropped []byte }

func (h *hoarder) Hold(ctx context.Context, b []byte) error { actor.Keep(ctx); h.kept = b; return nil }
func (h *hoarder) Drop(_ context.Context, b []byte) error   { h.dropped = b; return nil }
func (h *hoarder) Echo(_ context.Context, b []byte) ([]byte, error) {
	return b, nil
}

func TestBytesBelongToTheirMethod(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		h := &hoarder{}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: h})
		ref := actor.NewRef[*hoarder](c.tables[from], "a/0")
		mine := []byte("precious")
		require.NoError(t, actor.Do(t.Context(), ref, (*hoarder).Hold, mine))
		clear(mine)
		for range 100 { // the pool is used anew
			require.NoError(t, actor.Do(t.Context(), ref, (*hoarder).Drop, []byte("whatever")))
		}
		require.NoError(t, n.Drain(t.Context())) // bytes are spoiled after the answer, which may alias them
		require.Equal(t, "precious", string(h.kept))
		if t.Name() == "TestBytesBelongToTheirMethod/encoded" {
			require.NotEqual(t, "whatever", string(h.dropped), "spoiled")
		}
		got, err := actor.Call(t.Context(), ref, (*hoarder).Echo, []byte("echo"))
		require.NoError(t, err)
		require.Equal(t, "echo", string(got))
		got, err = actor.Call(t.Context(), ref, (*hoarder).Echo, nil)
		require.NoError(t, err)
		require.Equal(t, []byte{}, got)
	})
}
