package actor_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestCallReturnsResult(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		for i := 1; i <= 3; i++ {
			got, err := actor.Call(t.Context(), ref, (*sum).Add, i)
			require.NoError(t, err)
			require.Equal(t, i*(i+1)/2, got)
		}
		got, err := actor.Call0(t.Context(), ref, (*sum).Total)
		require.NoError(t, err)
		require.Equal(t, 6, got)
		got, err = actor.Call(t.Context(), actor.As[adder](ref), adder.Add, 4)
		require.NoError(t, err)
		require.Equal(t, 10, got)
	})
}

func TestGoAndCancel(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		var futures []*actor.Future[int]
		for i := range 100 {
			futures = append(futures, actor.Go(t.Context(), ref, (*sum).Add, i))
		}
		for _, f := range futures {
			_, err := f.Wait(t.Context())
			require.NoError(t, err)
		}
		f := actor.Go(t.Context(), ref, (*sum).Add, 1)
		<-f.Done()
		f.Cancel()
		_, err := f.Wait(t.Context())
		require.NoError(t, err)

		_, err = actor.GoDo(t.Context(), ref, (*sum).Fail, "no good").Wait(t.Context())
		require.ErrorContains(t, err, "no good")
		_, err = actor.GoDo0(t.Context(), ref, (*sum).Panic).Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrPanic)
	})
}

func TestRefused(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		_, err := actor.Call(t.Context(), ref, func(*sum, context.Context, int) (int, error) { return 0, nil }, 1)
		require.ErrorIs(t, err, actor.ErrNotMethod)
		_, err = actor.Call0(t.Context(), actor.Ref[*sum]{}, (*sum).Total)
		require.ErrorIs(t, err, actor.ErrZeroRef)
		require.ErrorIs(t, actor.Do(t.Context(), actor.As[runner](ref), runner.Other, 1), actor.ErrNoMethod)
	})
}

type runner interface {
	Other(context.Context, int) error
}

type carrier struct{}

type letter struct {
	Name string
	Refs []actor.Ref[*sum]
	ByID map[string]actor.Ref[*sum]
}

func (c *carrier) Take(ctx context.Context, l letter) (int, error) {
	if _, err := actor.Call(ctx, l.Refs[0], (*sum).Add, 2); err != nil {
		return 0, err
	}
	return actor.Call(ctx, l.ByID["x"], (*sum).Add, 3)
}

func TestRefsTravel(t *testing.T) {
	for _, home := range []string{"a/1", "b/0"} {
		c := newCluster(t, "a", "b")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
		actor.NewRef[*sum](c.tables["b"], "a/0")
		spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: &carrier{}})
		s := actor.NewRef[*sum](c.tables["a"], "a/0")
		got, err := actor.Call(t.Context(), actor.NewRef[*carrier](c.tables["a"], home), (*carrier).Take,
			letter{Refs: []actor.Ref[*sum]{s}, ByID: map[string]actor.Ref[*sum]{"x": s}})
		require.NoError(t, err)
		require.Equal(t, 5, got)
	}
}

func TestFutures(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			g := newGate()
			n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &waiter{g}})
			ref := actor.NewRef[*waiter](c.tables[from], "a/0")
			f := actor.Go(t.Context(), ref, (*waiter).Take, 1)
			never := actor.Go(t.Context(), ref, (*waiter).Take, 2) // nobody waits for it
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := f.Wait(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			select {
			case <-f.Done():
				t.Fatal("the end of a wait ended the call")
			default:
			}
			f.Cancel()
			<-f.Done()
			_, err = f.Wait(t.Context())
			require.ErrorIs(t, err, context.Canceled)
			synctest.Wait()
			require.Len(t, g.entered, 2, "the method's context ended, and the next began")
			g.open <- struct{}{}
			<-never.Done()
			running := actor.Go(t.Context(), ref, (*waiter).Take, 3)
			late := actor.Go(t.Context(), ref, (*waiter).Take, 3)
			synctest.Wait()
			require.NoError(t, n.Stop(t.Context()))
			_, err = late.Wait(t.Context())
			require.ErrorIs(t, err, actor.ErrStopped)
			_, err = running.Wait(t.Context())
			require.ErrorIs(t, err, context.Canceled, "what the method made of its context")
			ended, stop := context.WithCancel(t.Context())
			stop()
			_, err = actor.Go(ended, ref, (*waiter).Take, 4).Wait(t.Context())
			require.ErrorIs(t, err, context.Canceled)
			_, err = actor.Go0(t.Context(), actor.Ref[*sum]{}, (*sum).Total).Wait(t.Context())
			require.ErrorIs(t, err, actor.ErrZeroRef)
		})
	}
}

type waiter struct{ *gate }

func (w *waiter) Take(ctx context.Context, n int) (int, error) { return n, w.Hold(ctx, n) }

// picky is sent what cannot travel.
type picky struct{}

func (picky) Take(context.Context, func()) error         { return nil }
func (picky) Give(context.Context) (chan int, error)     { return nil, nil }
func (picky) Any(context.Context, any) error             { return nil }
func (picky) Self(context.Context, selfMade) error       { return nil }
func (picky) Back(context.Context) (selfMade, error)     { return selfMade{}, nil }
func (picky) Loop(context.Context) (*tree, error)        { l := &tree{}; l.Kids = []*tree{l}; return l, nil }
func (picky) Fine(_ context.Context, n int) (int, error) { return n, nil }

func TestWhatCannotTravelIsRefused(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: picky{}})
		ref := actor.NewRef[picky](c.tables[from], "a/0")
		ctx := t.Context()
		require.ErrorIs(t, actor.Do(ctx, ref, picky.Take, func() {}), actor.ErrCannotTravel)
		require.ErrorIs(t, actor.Tell(ctx, ref, picky.Take, func() {}), actor.ErrCannotTravel)
		require.ErrorIs(t, actor.Do(ctx, ref, picky.Any, any(1)), actor.ErrCannotTravel)
		require.ErrorIs(t, actor.Do(ctx, ref, picky.Self, selfMade{}), actor.ErrCannotTravel)
		_, err := actor.Call0(ctx, ref, picky.Give)
		require.ErrorIs(t, err, actor.ErrCannotTravel)
		_, err = actor.Call0(ctx, ref, picky.Back)
		require.ErrorIs(t, err, actor.ErrCannotTravel)
		_, err = actor.Call0(ctx, ref, picky.Loop)
		require.ErrorIs(t, err, actor.ErrCannotTravel)
		got, err := actor.Call(ctx, ref, picky.Fine, 4) // the node lives
		require.NoError(t, err)
		require.Equal(t, 4, got)
	})
}

// traceNoter is a handler that notes the trace of each record's context.
type traceNoter struct {
	slog.Handler
	traces *[]trace.TraceID
}

func (h traceNoter) Handle(ctx context.Context, r slog.Record) error {
	*h.traces = append(*h.traces, trace.SpanContextFromContext(ctx).TraceID())
	return nil
}

func (h traceNoter) WithAttrs([]slog.Attr) slog.Handler { return h }

// The record of a tell that failed belongs to the trace of the tell, whichever process has sent it.
func TestFailedTellsAreLoggedInTheirTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []trace.TraceID
		quiet := slog.NewTextHandler(io.Discard, nil)
		c := newClusterWith(t, actor.Config{Logger: slog.New(traceNoter{quiet, &got})}, "a", "b")
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
		id := trace.TraceID{15: 1}
		traced := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{7: 1}}))
		for _, ctx := range []context.Context{traced, t.Context()} {
			for _, from := range []string{"a", "b"} {
				require.NoError(t, actor.Tell(ctx, actor.NewRef[*sum](c.tables[from], "a/0"), (*sum).Fail, "sour"))
				synctest.Wait()
				require.NoError(t, n.Drain(t.Context()))
				time.Sleep(2 * time.Second) // of the bubble: one a second is logged
			}
		}
		require.Equal(t, []trace.TraceID{id, id, {}, {}}, got)
	})
}

func TestFailedTellsAreCountedAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := newClusterWith(t, actor.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, "a", "b")
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
		for _, table := range c.tables {
			for range 5 {
				require.NoError(t, actor.Tell(t.Context(), actor.NewRef[*sum](table, "a/0"), (*sum).Fail, "sour"))
			}
		}
		synctest.Wait()
		require.NoError(t, n.Drain(t.Context()))
		require.EqualValues(t, 10, c.systems["a"].Stats().FailedTells)
		require.Equal(t, 1, strings.Count(log.String(), "sour"), "one a second")
		require.Contains(t, log.String(), "node=a/0")
		time.Sleep(2 * time.Second) // of the bubble
		require.NoError(t, actor.Tell0(t.Context(), actor.NewRef[*sum](c.tables["a"], "a/0"), (*sum).Panic))
		require.NoError(t, n.Drain(t.Context()))
		require.Contains(t, log.String(), "not_logged=9")
		require.Contains(t, log.String(), "stack=")
	})
}
