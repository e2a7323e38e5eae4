package transmit

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// forgetAll is what a start of the node anew does to writers and samplers.
func forgetAll(n *Node) {
	n.state.mu.Lock()
	defer n.state.mu.Unlock()
	for id := range n.state.sessions {
		n.state.endSession(id)
	}
}

func TestWhoWasForgottenGoesOn(t *testing.T) {
	ctx := patient(t)
	c := Config{Tables: []Table{Queue("q", 100)}}
	sys, ref, node, value := spawnedValue(t, c)
	require.NoError(t, node.Start(ctx))
	t.Cleanup(func() {
		require.NoError(t, node.Stop(context.Background()))
		require.NoError(t, sys.Close(context.Background()))
	})
	w, err := NewWriter(ref, WriterConfig{})
	require.NoError(t, err)
	s := NewSampler(ref, "q", SamplerConfig{Batch: 1, Ahead: 1})
	for i := range int64(3) {
		require.NoError(t, w.Append(number(i)))
		require.NoError(t, w.Item(ctx, "q", 1, 1))
		require.NoError(t, w.Flush(ctx))
		it, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, []int64{i}, numbers(t, it))
	}
	forgetAll(value)
	require.NoError(t, w.Append(number(3)))
	require.NoError(t, w.Item(ctx, "q", 2, 1))
	err = w.Flush(ctx)
	require.ErrorIs(t, err, ErrForgotten)
	require.ErrorContains(t, err, "1 items may be lost")
	require.NoError(t, w.Item(ctx, "q", 4, 1), "it still has its steps")
	require.NoError(t, w.Close(ctx))
	_, err = s.Next(ctx)
	require.ErrorIs(t, err, ErrForgotten)
	it, err := s.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1, 2, 3}, numbers(t, it))
	s.Close(ctx)
}

func TestTheLeastRecentlyUsedIsForgotten(t *testing.T) {
	s := newState(Config{}, nil)
	for i := range mostSessions {
		_, err := s.sessionFor(fmt.Sprint(i), true)
		require.NoError(t, err)
	}
	s.sessions["1"].busy = 1 // it waits for something
	_, err := s.sessionFor("0", false)
	require.NoError(t, err)
	_, err = s.sessionFor("new", true)
	require.NoError(t, err)
	require.Len(t, s.sessions, mostSessions)
	for id, there := range map[string]bool{"0": true, "1": true, "2": false, "3": true, "new": true} {
		require.Equal(t, there, s.sessions[id] != nil, id)
	}
	_, err = s.sessionFor("2", false)
	require.ErrorIs(t, err, ErrForgotten)
}

// Large steps stay where they were received; nothing overwrites them there.
func TestLargeStepsArriveAsTheyWere(t *testing.T) {
	const size, steps = 100 << 10, 40
	of := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, size) }
	tables := []Table{Queue("one", steps), Queue("three", steps), Queue("ten", steps)}
	for name, ref := range map[string]Ref{
		"here": started(t, Config{Tables: tables}), "far": startedFar(t, Config{Tables: tables}).ref,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := patient(t)
			for table, batch := range map[string]int{"one": -1, "three": 300 << 10, "ten": 1000 << 10} {
				w, err := NewWriter(ref, WriterConfig{BatchBytes: batch, Keep: 2})
				require.NoError(t, err)
				for i := range steps {
					require.NoError(t, w.Append(Step{"x": Of(of(i))}))
					require.NoError(t, w.Item(ctx, table, min(i+1, 2), 1))
				}
				require.NoError(t, w.Close(ctx))
				s := NewSampler(ref, table, SamplerConfig{})
				for i := range steps {
					it, err := s.Next(ctx)
					require.NoError(t, err)
					last, err := it.Step(it.Len() - 1)
					require.NoError(t, err)
					require.True(t, bytes.Equal(of(i), last["x"].Data), "step %d", i)
				}
				s.Close(ctx)
			}
		})
	}
}

// A request that is sent again to a node that was started anew must not wait there for those before it, which were answered by the old one.
func TestRequestsOfBeforeAStartAreRefused(t *testing.T) {
	ctx := patient(t)
	sys, ref, node, value := spawnedValue(t, Config{Tables: []Table{Queue("q", 100)}})
	require.NoError(t, node.Start(ctx))
	t.Cleanup(func() {
		require.NoError(t, node.Stop(context.Background()))
		require.NoError(t, sys.Close(context.Background()))
	})
	_, err := Insert(ctx, ref, "q", number(1), 1)
	require.NoError(t, err)
	s := NewSampler(ref, "q", SamplerConfig{Batch: 1, Ahead: 2})
	_, err = s.Next(ctx)
	require.NoError(t, err)
	s.flight[0].drop() // as when the link breaks and the process after it
	s.flight[0].future = nil
	require.Eventually(t, func() bool { return tableInfo(t, ref, "q").WaitingSamples == 0 }, patience, time.Millisecond)
	forgetAll(value)
	_, err = s.Next(ctx)
	require.ErrorIs(t, err, ErrForgotten)
	s.Close(ctx)
}

// What was given up does nothing, though its turn comes after the end of its session.
func TestRequestsThatWereGivenUpAreNotBegun(t *testing.T) {
	s := newState(Config{Tables: []Table{{Name: "t"}}}, nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	b, err := number(1).Encode(nil)
	require.NoError(t, err)
	_, err = s.write(gone, nil, &writeRequest{session: newSession(), number: 1, steps: [][]byte{b}, windows: []window{{"t", 0, 1, 1}}})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.read(gone, &readRequest{session: newSession(), number: 1, table: "t", items: 1})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, s.tables["t"].Len())
	require.Empty(t, s.sessions)

	ss, err := s.sessionFor("it", true)
	require.NoError(t, err)
	s.endSession("it")
	_, _, err = s.begin(t.Context(), ss, 1, 0, true)
	require.ErrorIs(t, err, ErrForgotten)
}

// Who waits for days is asked for again and again: the node has a few of the requests, and links that break between are no reason to give up.
func TestWhoWaitsForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys, ref, node, value := spawnedValue(t, Config{Tables: []Table{Queue("q", 100)}})
		require.NoError(t, node.Start(t.Context()))
		s := NewSampler(ref, "q", SamplerConfig{Batch: 1, Ahead: 1})
		got := make(chan error, 1)
		go func() {
			_, err := s.Next(t.Context())
			got <- err
		}()
		for range 3 {
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			require.Empty(t, got)
			value.state.mu.Lock()
			for _, ss := range value.state.sessions {
				require.LessOrEqual(t, ss.busy, 2)
			}
			require.Len(t, value.state.tables["q"].samplers, 1)
			value.state.mu.Unlock()
			s.flight[0].future.Cancel() // as when the link breaks
		}
		_, err := Insert(t.Context(), ref, "q", number(1), 1)
		require.NoError(t, err)
		require.NoError(t, <-got)
		s.Close(t.Context())
		require.NoError(t, node.Stop(context.Background()))
		require.NoError(t, sys.Close(context.Background()))
	})
}

// Steps that no item can have any more are not sent, however many were appended: a message would not hold them.
func TestManyLargeStepsBeforeAnItem(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{{Name: "t"}}})
	w, err := NewWriter(ref, WriterConfig{})
	require.NoError(t, err)
	const steps, size = 40, 1 << 20
	for i := range steps {
		require.NoError(t, w.Append(Step{"x": Of(make([]byte, size)), "n": Scalar(int64(i))}))
	}
	require.ErrorIs(t, w.Item(ctx, "t", steps, 1), ErrTooLarge)
	require.NoError(t, w.Item(ctx, "t", 2, 1))
	require.LessOrEqual(t, len(w.flight[0].body), mostItem+1000)
	require.NoError(t, w.Flush(ctx))
	require.NoError(t, w.Close(ctx))
	it, err := Sample(ctx, ref, "t")
	require.NoError(t, err)
	require.Equal(t, []int64{steps - 2, steps - 1}, numbers(t, it))
}
