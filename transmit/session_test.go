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
	require.NoError(t, w.Item(ctx, "q", 4, 1))
	require.NoError(t, w.Close(ctx), "nothing was under way, and it still has its steps")
	for _, want := range [][]int64{{2, 3}, {0, 1, 2, 3}} {
		it, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, want, numbers(t, it))
	}
	s.Close(ctx)
}

func TestTheLeastRecentlyUsedIsForgotten(t *testing.T) {
	s := newState(Config{}, nil)
	for i := range mostSessions {
		_, err := s.sessionFor(t.Context(), fmt.Sprint(i), true)
		require.NoError(t, err)
	}
	s.sessions["1"].busy = 1 // it waits for something
	_, err := s.sessionFor(t.Context(), "0", false)
	require.NoError(t, err)
	_, err = s.sessionFor(t.Context(), "new", true)
	require.NoError(t, err)
	require.Len(t, s.sessions, mostSessions)
	for id, there := range map[string]bool{"0": true, "1": true, "2": false, "3": true, "new": true} {
		require.Equal(t, there, s.sessions[id] != nil, id)
	}
	_, err = s.sessionFor(t.Context(), "2", false)
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

// A clone has all that its item has, and none of its memory.
func TestItemsAreCloned(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{{Name: "t"}}})
	w, err := NewWriter(ref, WriterConfig{})
	require.NoError(t, err)
	for i := range int64(3) {
		require.NoError(t, w.Append(number(i)))
	}
	require.NoError(t, w.Item(ctx, "t", 3, 0.5))
	require.NoError(t, w.Close(ctx))
	it, err := Sample(ctx, ref, "t")
	require.NoError(t, err)
	own := it.Clone()
	require.Equal(t, it, own)
	for i := range it.steps {
		clear(it.steps[i])
	}
	require.Equal(t, count(0, 3), numbers(t, own))
	require.Equal(t, Item{steps: [][]byte{}}, Item{}.Clone())
}

// Memory of steps is used again, but not while their request may have to be sent again.
func TestStepsArriveThatAreSentAgain(t *testing.T) {
	for name, ref := range map[string]Ref{
		"here": started(t, Config{Tables: []Table{Queue("q", 1000)}}), "far": startedFar(t, Config{Tables: []Table{Queue("q", 1000)}}).ref,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := patient(t)
			w, err := NewWriter(ref, WriterConfig{Keep: 1, BatchBytes: -1, Ahead: 8})
			require.NoError(t, err)
			const steps = 200
			for i := range steps {
				require.NoError(t, w.Append(Step{"x": Of(bytes.Repeat([]byte{byte(i)}, 600))}))
				require.NoError(t, w.Item(ctx, "q", 1, 1))
				if last := len(w.flight) - 1; last >= 0 && i%3 == 0 { // as when the link breaks
					w.flight[last].drop()
					w.flight[last].future = nil
				}
			}
			require.NoError(t, w.Close(ctx))
			s := NewSampler(ref, "q", SamplerConfig{})
			defer s.Close(ctx)
			for i := range steps {
				it, err := s.Next(ctx)
				require.NoError(t, err)
				x, err := it.Tensor(0, "x")
				require.NoError(t, err)
				require.True(t, bytes.Equal(bytes.Repeat([]byte{byte(i)}, 600), x.Data), "step %d", i)
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

	ss, err := s.sessionFor(t.Context(), "it", true)
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
	require.LessOrEqual(t, len(w.flight[0].body()), mostItem+1000)
	require.NoError(t, w.Flush(ctx))
	require.NoError(t, w.Close(ctx))
	it, err := Sample(ctx, ref, "t")
	require.NoError(t, err)
	require.Equal(t, []int64{steps - 2, steps - 1}, numbers(t, it))
}

// Who says nothing for long is forgotten, with all that was kept for it; where it lives it goes on without a loss.
func TestWhoIsSilentForLongIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		sys, ref, node, value := spawnedValue(t, Config{Tables: []Table{Queue("q", 100)}})
		require.NoError(t, node.Start(ctx))
		w, err := NewWriter(ref, WriterConfig{})
		require.NoError(t, err)
		s := NewSampler(ref, "q", SamplerConfig{Batch: 2, Ahead: 1})
		waiting := NewSampler(ref, "q", SamplerConfig{Batch: 1, Ahead: 1})
		known := func() (sessions, steps int) {
			value.state.mu.Lock()
			defer value.state.mu.Unlock()
			return len(value.state.sessions), value.state.store.Len()
		}
		for i := range int64(6) {
			require.NoError(t, w.Append(number(i)))
			require.NoError(t, w.Item(ctx, "q", 1, 1))
			require.NoError(t, w.Flush(ctx))
			if i%2 == 1 {
				it, err := s.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, []int64{i - 1}, numbers(t, it))
				sessions, steps := known()
				require.Equal(t, []int{2, int(i) + 1}, []int{sessions, steps})
				time.Sleep(2 * idleLife)
				sessions, steps = known()
				require.Equal(t, []int{0, 0}, []int{sessions, steps}, "nothing is kept for who is gone")
				it, err = s.Next(ctx) // of the same answer
				require.NoError(t, err)
				require.Equal(t, []int64{i}, numbers(t, it))
			}
		}
		got := make(chan Item, 1)
		go func() {
			it, _ := waiting.Next(ctx)
			got <- it
		}()
		time.Sleep(3 * idleLife)
		sessions, _ := known()
		require.Equal(t, 1, sessions, "who waits for something is not silent")
		require.NoError(t, w.Append(number(6)))
		require.NoError(t, w.Item(ctx, "q", 7, 1))
		require.NoError(t, w.Close(ctx))
		require.Equal(t, count(0, 7), numbers(t, <-got))
		s.Close(ctx)
		waiting.Close(ctx)
		require.NoError(t, node.Stop(context.Background()))
		require.NoError(t, sys.Close(context.Background()))
	})
}

// What may have been begun, or has lost its steps, is told as lost where the node has forgotten its writer.
func TestWhatMayBeLostIsTold(t *testing.T) {
	for name, spoil := range map[string]func(*Writer){
		"sent again":    func(w *Writer) { w.flight[0].tries = 2 },
		"without steps": func(w *Writer) { w.kept, w.first = w.kept[4:], w.first+4 },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := patient(t)
			sys, ref, node, value := spawnedValue(t, Config{Tables: []Table{Queue("q", 100)}})
			require.NoError(t, node.Start(ctx))
			t.Cleanup(func() {
				require.NoError(t, node.Stop(context.Background()))
				require.NoError(t, sys.Close(context.Background()))
			})
			w, err := NewWriter(ref, WriterConfig{})
			require.NoError(t, err)
			for i := range int64(4) {
				require.NoError(t, w.Append(number(i)))
			}
			require.NoError(t, w.Item(ctx, "q", 4, 1))
			require.NoError(t, w.Flush(ctx))
			forgetAll(value)
			require.NoError(t, w.Item(ctx, "q", 2, 1))
			spoil(w)
			err = w.Flush(ctx)
			require.ErrorIs(t, err, ErrForgotten)
			require.ErrorContains(t, err, "1 items may be lost")
			require.NoError(t, w.Append(number(4)))
			require.NoError(t, w.Item(ctx, "q", 1, 1))
			require.NoError(t, w.Close(ctx))
			require.Equal(t, 2, tableInfo(t, ref, "q").Items)
		})
	}
}

// The end of a process is the end of its writers and samplers.
func TestSessionsEndWithTheirProcess(t *testing.T) {
	ctx := patient(t)
	f := startedFar(t, Config{Tables: []Table{Queue("q", 100)}})
	w, err := NewWriter(f.ref, WriterConfig{})
	require.NoError(t, err)
	require.NoError(t, w.Append(number(1)))
	require.NoError(t, w.Item(ctx, "q", 1, 1))
	require.NoError(t, w.Flush(ctx))
	_, err = Sample(ctx, f.ref, "q")
	require.NoError(t, err)
	gone := NewSampler(f.ref, "q", SamplerConfig{Ahead: 1})
	waits, cancel := context.WithCancel(ctx)
	defer cancel()
	given := make(chan error, 1)
	go func() {
		_, err := gone.Next(waits)
		given <- err
	}()
	info := func() (i NodeInfo) {
		i, err := f.value.Info(ctx)
		require.NoError(t, err)
		return i
	}
	require.Eventually(t, func() bool { return info().Sessions == 2 && info().Tables[0].WaitingSamples == 1 }, patience, time.Millisecond)
	cancel() // what was asked for stays asked for
	require.ErrorIs(t, <-given, context.Canceled)
	require.Equal(t, 1, info().Steps)
	require.Equal(t, 1, info().Tables[0].WaitingSamples)
	f.gone()
	require.Eventually(t, func() bool {
		i := info()
		return i.Sessions == 0 && i.Steps == 0 && i.Tables[0].WaitingSamples == 0
	}, patience, time.Millisecond)
}

// Steps are looked into beside other requests, and each once.
func TestStepsAreLookedIntoOnce(t *testing.T) {
	s := newState(Config{Tables: []Table{{Name: "typed", Columns: []Column{{"n", Int64, nil}}}, {Name: "any"}}}, nil)
	r := &writeRequest{session: newSession(), number: 1}
	for i := range int64(5) {
		b, err := number(i).Encode(nil)
		require.NoError(t, err)
		if i == 3 {
			b = nil // a step without n
		}
		r.steps = append(r.steps, b)
	}
	r.windows = []window{{"typed", 0, 2, 1}, {"typed", 1, 2, 1}, {"any", 0, 5, 1}}
	w := &write{windows: append(r.windows, window{"typed", 2, 2, 1}, window{"typed", 9, 9, 1}, window{"none", 0, 1, 1})}
	ss, err := s.sessionFor(t.Context(), r.session, true)
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NoError(t, s.appendSteps(t.Context(), ss, nil, r))
	w.session = ss
	numbersOf := func() (all []uint64) {
		for _, look := range s.sights(w) {
			all = append(all, look.number)
		}
		return all
	}
	require.Equal(t, []uint64{0, 1, 2, 3}, numbersOf())
	s.inspect(w)
	require.ErrorIs(t, w.faults[3], ErrType)
	require.ErrorContains(t, w.faults[3], "step 3")
	require.Equal(t, []error{nil, nil, nil, w.faults[3], nil, nil}, w.faults)
	require.Equal(t, []uint64{3}, numbersOf(), "what is well is known")
}

// Requests that are handled alone are so: the second of a writer must not begin while the first still looks into its steps.
func TestRequestsOfAWriterDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newState(Config{}, nil)
		defer s.stopSweeping()
		s.mu.Lock()
		defer s.mu.Unlock()
		ss, err := s.sessionFor(t.Context(), "sampler", true)
		require.NoError(t, err)
		for n := range uint64(2) {
			_, fresh, err := s.begin(t.Context(), ss, n+1, 0, false)
			require.NoError(t, err)
			require.True(t, fresh, "those of samplers wait at once")
		}
		ss, err = s.sessionFor(t.Context(), "writer", true)
		require.NoError(t, err)
		first, fresh, err := s.begin(t.Context(), ss, 1, 0, true)
		require.NoError(t, err)
		require.True(t, fresh)
		begun := make(chan bool, 1)
		go func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			_, fresh, err := s.begin(t.Context(), ss, 2, 0, true)
			begun <- fresh && err == nil
		}()
		wait := func() {
			s.mu.Unlock()
			synctest.Wait()
			s.mu.Lock()
		}
		wait()
		require.Empty(t, begun, "the first is not finished")
		close(first.done)
		wait()
		require.True(t, <-begun)
	})
}

// Who waits for its turn in a session that the node forgets is told so at once.
func TestWhoWaitsInASessionThatEndsIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newState(Config{}, nil)
		defer s.stopSweeping()
		s.mu.Lock()
		ss, err := s.sessionFor(t.Context(), "writer", true)
		require.NoError(t, err)
		s.mu.Unlock()
		told := make(chan error, 1)
		go func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			_, _, err := s.begin(t.Context(), ss, 2, 0, true) // the first is yet to come
			told <- err
		}()
		synctest.Wait()
		s.mu.Lock()
		s.endSession("writer")
		s.mu.Unlock()
		synctest.Wait()
		require.Len(t, told, 1)
		require.ErrorIs(t, <-told, ErrForgotten)
	})
}

// The first copy of a request that reaches the node may be the one that is given up. The others keep its place: requests behind it would get samples
// that are due to it otherwise.
func TestCopiesOfARequestKeepItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newState(Config{Tables: []Table{Queue("q", 10)}}, nil)
		defer s.stopSweeping()
		type answer struct {
			who     string
			samples int
			err     error
		}
		answers := make(chan answer, 10)
		read := func(ctx context.Context, who string, number uint64) {
			go func() {
				r, err := s.read(ctx, &readRequest{session: "it", number: number, table: "q", items: 1, bytes: 1})
				if err != nil {
					r = &readReply{}
				}
				answers <- answer{who, len(r.samples), err}
			}()
			synctest.Wait()
		}
		first, giveUp := context.WithCancel(t.Context())
		later, giveUpToo := context.WithCancel(t.Context())
		read(first, "first", 1)
		read(later, "copy", 1)
		read(t.Context(), "next", 2)
		giveUp()
		synctest.Wait()
		require.Equal(t, answer{"first", 0, context.Canceled}, <-answers)
		insert := func(n uint64) {
			b, err := number(1).Encode(nil)
			require.NoError(t, err)
			_, err = s.write(t.Context(), nil, &writeRequest{session: "writer", number: n, first: n, settled: n - 1, steps: [][]byte{b}, windows: []window{{"q", n, 1, 1}}})
			require.NoError(t, err)
			synctest.Wait()
		}
		insert(1)
		require.Equal(t, answer{"copy", 1, nil}, <-answers)

		read(later, "third", 3)
		giveUpToo()
		synctest.Wait()
		require.Equal(t, answer{"third", 0, context.Canceled}, <-answers)
		require.Len(t, s.tables["q"].samplers, 1, "nobody wants it any more")
		read(t.Context(), "third again", 3)
		insert(2)
		require.Equal(t, answer{"next", 1, nil}, <-answers)
		insert(3)
		require.Equal(t, answer{"third again", 1, nil}, <-answers)
		require.Empty(t, s.tables["q"].samplers)
	})
}
