package transmit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestWhatIsInsertedIsSampled(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{{Name: "replay", Sampler: Prioritised(1)}}})
	keys := map[uint64]int64{}
	for i := range int64(4) {
		k, err := Insert(ctx, ref, "replay", number(i), float64(i))
		require.NoError(t, err)
		keys[k] = i
	}
	for range 50 {
		it, err := Sample(ctx, ref, "replay")
		require.NoError(t, err)
		require.Equal(t, []int64{keys[it.Key]}, numbers(t, it))
		require.InDelta(t, float64(keys[it.Key])/6, it.Probability, 1e-12)
		require.Equal(t, 4, it.Size)
		require.InDelta(t, float64(keys[it.Key]), it.Priority, 0)
	}
	var all []uint64
	for k := range keys {
		all = append(all, k)
	}
	n, err := UpdatePriorities(ctx, ref, "replay", append(all, 77), []float64{0, 0, 0, 5, 1})
	require.NoError(t, err)
	require.Equal(t, 4, n, "the fifth is not there")
	it, err := Sample(ctx, ref, "replay")
	require.NoError(t, err)
	require.Equal(t, all[3], it.Key)
	n, err = Delete(ctx, ref, "replay", all[3], 77)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = Reset(ctx, ref, "replay")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	info := tableInfo(t, ref, "replay")
	require.Equal(t, TableInfo{Name: "replay"}, info)
}

func TestWindowsShareSteps(t *testing.T) {
	ctx := patient(t)
	for name, cfg := range map[string]WriterConfig{
		"batches": {}, "each at once": {BatchBytes: -1, Ahead: -1}, "packed": {Compress: true}, "few kept": {Keep: 5},
	} {
		t.Run(name, func(t *testing.T) {
			ref := started(t, Config{Tables: []Table{{Name: "one"}, {Name: "three"}}})
			w, err := NewWriter(ref, cfg)
			require.NoError(t, err)
			for i := range int64(500) {
				s := number(i)
				s["frame"] = Of(make([]float32, 100), 10, 10)
				require.NoError(t, w.Append(s))
				require.NoError(t, w.Item(ctx, "one", 1, 1))
				if i >= 2 {
					require.NoError(t, w.Item(ctx, "three", 3, 1))
				}
			}
			require.NoError(t, w.Flush(ctx))
			one, three := tableInfo(t, ref, "one"), tableInfo(t, ref, "three")
			require.Equal(t, []int{500, 498}, []int{one.Items, three.Items})
			require.Equal(t, one.Bytes, three.Bytes, "steps count once")
			info, err := Info(ctx, ref)
			require.NoError(t, err)
			require.Equal(t, 500, info.Steps, "steps are stored once")
			require.Equal(t, one.Bytes, info.Bytes)
			if cfg.Compress {
				require.Less(t, info.Bytes, int64(500*100))
			}
			s := NewSampler(ref, "three", SamplerConfig{})
			for i := range int64(498) {
				it, err := s.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, []int64{0, 1, 2}, numbers(t, it), "FIFO gives the first as often as one likes: %d", i)
			}
			s.Close(ctx)
			require.NoError(t, w.Close(ctx))
			require.NoError(t, w.Close(ctx))
			require.ErrorIs(t, w.Append(number(1)), ErrClosed)
			require.ErrorIs(t, w.Item(ctx, "one", 1, 1), ErrClosed)
			require.ErrorIs(t, w.Flush(ctx), ErrClosed)
			_, err = s.Next(ctx)
			require.ErrorIs(t, err, ErrClosed)
			for range 2 {
				_, err = Reset(ctx, ref, []string{"one", "three"}[0])
				require.NoError(t, err)
				_, err = Reset(ctx, ref, "three")
				require.NoError(t, err)
			}
			require.Eventually(t, func() bool {
				info, err = Info(ctx, ref)
				return err == nil && info.Steps == 0 && info.Sessions == 0
			}, patience, time.Millisecond, "nothing is left of a writer that was closed")
		})
	}
}

// Steps of which no item was made are not sent, and count for nothing.
func TestStepsWithoutItemsAreForgotten(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{Queue("q", 100)}})
	w, err := NewWriter(ref, WriterConfig{Keep: 4})
	require.NoError(t, err)
	next := int64(0)
	for round := range 40 {
		for range rand.New(rand.NewPCG(1, uint64(round))).IntN(30) + 2 {
			require.NoError(t, w.Append(number(next)))
			next++
		}
		require.NoError(t, w.Item(ctx, "q", 2, 1))
		if round%3 == 0 {
			require.NoError(t, w.Flush(ctx))
			for s := int64(0); tableInfo(t, ref, "q").Items > 0; s++ {
				it, err := Sample(ctx, ref, "q")
				require.NoError(t, err)
				got := numbers(t, it)
				require.Equal(t, got[0]+1, got[1])
				require.Less(t, got[1], next)
			}
		}
		require.LessOrEqual(t, len(w.kept), 8+2*30)
	}
	require.NoError(t, w.Close(ctx))
}

func TestInsertWaitsUnderItsContext(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{Queue("q", 2), {Name: "other"}}})
	for i := range int64(2) {
		_, err := Insert(ctx, ref, "q", number(i), 1)
		require.NoError(t, err)
	}
	waits, cancel := context.WithCancel(ctx)
	failed := make(chan error)
	go func() {
		_, err := Insert(waits, ref, "q", number(100), 1)
		failed <- err
	}()
	go func() {
		require.Eventually(t, func() bool { return tableInfo(t, ref, "q").WaitingInserts == 1 }, patience, time.Millisecond)
		cancel()
	}()
	require.ErrorIs(t, <-failed, context.Canceled)

	done := make(chan error)
	go func() {
		_, err := Insert(ctx, ref, "q", number(2), 1)
		done <- err
	}()
	require.Eventually(t, func() bool { return tableInfo(t, ref, "q").WaitingInserts == 1 }, patience, time.Millisecond)
	_, err := Insert(ctx, ref, "other", number(9), 1) // others are not held up
	require.NoError(t, err)
	for i := range int64(3) {
		it, err := Sample(ctx, ref, "q")
		require.NoError(t, err)
		require.Equal(t, []int64{i}, numbers(t, it), "the insert that was given up is not there")
	}
	require.NoError(t, <-done)
}

func TestSampleWaitsUnderItsContext(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{Queue("q", 2)}})
	waits, cancel := context.WithCancel(ctx)
	cancel()
	_, err := Sample(waits, ref, "q")
	require.ErrorIs(t, err, context.Canceled)
	s := NewSampler(ref, "q", SamplerConfig{Batch: 1, Ahead: 1})
	defer s.Close(ctx)
	waits, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = s.Next(waits)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = Insert(ctx, ref, "q", number(7), 1)
	require.NoError(t, err)
	it, err := s.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, []int64{7}, numbers(t, it), "it is not lost on the one that was given up")
}

// A writer whose items have to wait keeps their order, across tables, and loses none to contexts that end.
func TestWritersThatHaveToWaitKeepTheOrder(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{Queue("a", 3), Queue("b", 2)}})
	const items = 300
	var group sync.WaitGroup
	group.Go(func() {
		w, err := NewWriter(ref, WriterConfig{BatchBytes: 200})
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(4, 4))
		for i := range int64(items) {
			require.NoError(t, w.Append(number(i)))
			short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(3))*time.Millisecond)
			if err := w.Item(short, []string{"a", "b"}[i%2], 1, 1); err != nil {
				require.ErrorIs(t, err, short.Err())
				require.NotContains(t, err.Error(), "item")
			}
			cancel()
		}
		require.NoError(t, w.Close(ctx))
	})
	for _, name := range []string{"a", "b"} {
		group.Go(func() {
			s := NewSampler(ref, name, SamplerConfig{Batch: 2})
			defer s.Close(ctx)
			for i := range int64(items / 2) {
				it, err := s.Next(ctx)
				require.NoError(t, err)
				want := 2 * i
				if name == "b" {
					want++
				}
				require.Equal(t, []int64{want}, numbers(t, it))
			}
		})
	}
	group.Wait()
}

func TestMistakesAreToldAndWhatWasStoredStays(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: []Table{
		{Name: "typed", MaxBytes: 1000, Columns: []Column{{"n", Int64, nil}, {"x", Float32, []int{2, -1}}}}, {Name: "heavy", Sampler: Prioritised(3)},
	}})
	good := Step{"n": Scalar(int64(1)), "x": Of([]float32{1, 2, 3, 4}, 2, 2)}
	_, err := Insert(ctx, ref, "typed", good, 1)
	require.NoError(t, err)
	with := func(name string, x Tensor) Step { return Step{"n": good["n"], "x": good["x"], name: x} }
	for name, c := range map[string]struct {
		table    string
		step     Step
		priority float64
		want     error
	}{
		"no such table":         {"tipped", good, 1, ErrNoTable},
		"another type":          {"typed", with("x", Of([]float64{1, 2}, 2, 1)), 1, ErrType},
		"another shape":         {"typed", with("x", Of([]float32{1, 2, 3}, 3, 1)), 1, ErrType},
		"another rank":          {"typed", with("x", Of([]float32{1, 2}, 2)), 1, ErrType},
		"a column too few":      {"typed", Step{"n": good["n"]}, 1, ErrType},
		"a column too many":     {"typed", with("y", Scalar(true)), 1, ErrType},
		"data that do not fit":  {"typed", with("x", Tensor{Type: Float32, Shape: []int{2, 2}, Data: []byte("short")}), 1, ErrType},
		"no type":               {"heavy", with("x", Tensor{Type: 0, Shape: nil, Data: []byte("x")}), 1, ErrType},
		"a negative dimension":  {"heavy", with("x", Tensor{Type: Int8, Shape: []int{-1}, Data: nil}), 1, ErrType},
		"a name that is not":    {"heavy", with("\xff", Scalar(true)), 1, ErrType},
		"negative priority":     {"typed", good, -1, ErrPriority},
		"priority not a number": {"typed", good, math.NaN(), ErrPriority},
		"infinite priority":     {"typed", good, math.Inf(1), ErrPriority},
		"too great a power":     {"heavy", good, 1e100, ErrPriority},
		"too large":             {"typed", with("x", Of(make([]float32, 1000), 2, 500)), 1, ErrTooLarge},
		"much too large":        {"heavy", with("x", Of(make([]float32, 9<<20))), 1, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Insert(ctx, ref, c.table, c.step, c.priority)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, 1, tableInfo(t, ref, "typed").Items)
			require.Zero(t, tableInfo(t, ref, "heavy").Items)
		})
	}
	_, err = Sample(ctx, ref, "tipped")
	require.ErrorIs(t, err, ErrNoTable)
	_, err = Reset(ctx, ref, "tipped")
	require.ErrorIs(t, err, ErrNoTable)
	_, err = UpdatePriorities(ctx, ref, "typed", []uint64{1}, []float64{1, 2})
	require.ErrorIs(t, err, ErrRequest)
	_, err = UpdatePriorities(ctx, ref, "typed", []uint64{1, 2}, []float64{1, math.NaN()})
	require.ErrorIs(t, err, ErrPriority)
	_, err = NewWriter(ref, WriterConfig{Keep: -1})
	require.ErrorContains(t, err, "Keep is -1")

	// One that is wrong among others is left out alone.
	w, err := NewWriter(ref, WriterConfig{})
	require.NoError(t, err)
	require.NoError(t, w.Append(good))
	require.ErrorIs(t, w.Item(ctx, "typed", 2, 1), ErrWindow)
	var told error
	for i := range 10 {
		name := "typed"
		if i == 4 || i == 9 {
			name = "tipped"
		}
		told = errors.Join(told, w.Item(ctx, name, 1, 1))
	}
	told = errors.Join(told, w.Close(ctx))
	require.ErrorIs(t, told, ErrNoTable)
	require.Equal(t, 9, tableInfo(t, ref, "typed").Items)
}

func TestNodeThatHasStopped(t *testing.T) {
	ctx := patient(t)
	ref, node := startedNode(t, Config{Tables: []Table{Queue("q", 2)}})
	failed := make(chan error)
	go func() {
		_, err := Sample(ctx, ref, "q")
		failed <- err
	}()
	require.Eventually(t, func() bool { return tableInfo(t, ref, "q").WaitingSamples == 1 }, patience, time.Millisecond)
	require.NoError(t, node.Stop(ctx))
	require.Error(t, <-failed)
	_, err := Sample(ctx, ref, "q")
	require.ErrorIs(t, err, actor.ErrStopped)
	_, err = Insert(ctx, ref, "q", number(1), 1)
	require.ErrorIs(t, err, actor.ErrStopped)
}

func TestRegisters(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{})
	type weights struct {
		Layer []float32
		Round int
	}
	got := make(chan weights)
	go func() {
		w, err := GetInfo[weights](ctx, ref)
		require.NoError(t, err)
		got <- w
	}()
	for round := 1; round < 4; round++ {
		require.NoError(t, SendInfo(ctx, ref, weights{[]float32{1, 2}, round}))
		if round == 1 {
			require.Equal(t, weights{[]float32{1, 2}, 1}, <-got, "who came before the first has waited for it")
		}
	}
	for range 2 {
		w, err := GetInfo[weights](ctx, ref)
		require.NoError(t, err)
		require.Equal(t, 3, w.Round, "the latest, as often as one likes")
	}
	named := Register[string]{ref, "name"}
	v, err := named.Send(ctx, "")
	require.NoError(t, err)
	require.Equal(t, uint64(1), v)
	s, v, err := named.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "", s)
	require.Equal(t, uint64(1), v)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, _, err = Register[int]{ref, "never"}.Get(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = Register[int]{ref, "\xff"}.Send(ctx, 1)
	require.ErrorIs(t, err, ErrRequest)
	_, err = Register[[]byte]{ref, "large"}.Send(ctx, make([]byte, mostValue+1))
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestHandOffGivesEachValueToOne(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{})
	h := HandOff[int]{ref, "jobs"}
	const jobs, takers = 200, 4
	var taken [jobs]atomic.Int32
	var group sync.WaitGroup
	for range takers {
		group.Go(func() {
			for range jobs / takers {
				job, err := h.Take(ctx)
				require.NoError(t, err)
				taken[job].Add(1)
			}
		})
	}
	for i := range 2 {
		group.Go(func() {
			for j := range jobs / 2 {
				require.NoError(t, h.Put(ctx, 2*j+i))
			}
		})
	}
	group.Wait()
	for i := range taken {
		require.Equal(t, int32(1), taken[i].Load())
	}
	require.NoError(t, h.Put(ctx, 1))
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.Put(short, 2), context.DeadlineExceeded)
	one, err := h.Take(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, one)
}

// Many writers and samplers at once: no item is lost, none is sampled more often than it may be, and who waits is served.
func TestManyAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		table   Table
		samples int // of each item
	}{
		"queue":       {Queue("t", 5), 1},
		"stack":       {Stack("t", 5), 1},
		"uniform":     {Table{Name: "t", Sampler: Uniform(), Limiter: QueueOf(7), MaxItems: 7, MaxTimesSampled: 1}, 1},
		"prioritised": {Table{Name: "t", Sampler: Prioritised(0.5), MaxTimesSampled: 3, MaxItems: 10_000}, 3},
		"ratio":       {Table{Name: "t", Sampler: Uniform(), MaxTimesSampled: 2, Limiter: SampleToInsertRatio(2, 1, 10), MaxItems: 10_000}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := startedFar(t, Config{Tables: []Table{c.table}})
			exchange(t, f.ref, c.samples, nil)
		})
	}
}

// exchange writes numbers by several writers and samples them by several samplers until all have been sampled so many times.
func exchange(t *testing.T, ref Ref, times int, disturb func()) {
	ctx := patient(t)
	const writers, samplers, each = 3, 3, 60
	var seen [writers * each]atomic.Int32
	var left atomic.Int32
	left.Store(writers * each * int32(times))
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	for i := range int64(writers) {
		group.Go(func() {
			w, err := NewWriter(ref, WriterConfig{BatchBytes: 100 * int(i)})
			require.NoError(t, err)
			for j := range int64(each) {
				require.NoError(t, w.Append(number(i*each+j)))
				require.NoError(t, w.Item(ctx, "t", 1, float64(1+j%3)))
			}
			require.NoError(t, w.Close(ctx))
		})
	}
	for i := range samplers {
		group.Go(func() {
			s := NewSampler(ref, "t", SamplerConfig{Batch: 1 + i*3, Ahead: 1 + i})
			defer s.Close(ctx)
			for it, err := range s.All(reading) {
				if err != nil {
					require.Error(t, reading.Err(), "%v", err)
					return
				}
				seen[numbers(t, it)[0]].Add(1)
				switch n := left.Add(-1); {
				case n == 0:
					stop()
				case n%10 == 0 && disturb != nil: // after something has been done, and before all is
					disturb()
				}
			}
		})
	}
	group.Wait()
	for i := range seen {
		require.Equal(t, int32(times), seen[i].Load(), fmt.Sprint("number ", i))
	}
}

// Across a link that breaks again and again every item is sampled exactly as often as it may be.
func TestLinksThatBreak(t *testing.T) {
	f := startedFar(t, Config{Tables: []Table{{Name: "t", Sampler: Uniform(), Limiter: QueueOf(9), MaxItems: 9, MaxTimesSampled: 1}}})
	var cuts atomic.Int32
	exchange(t, f.ref, 1, func() {
		if f.cut() {
			cuts.Add(1)
		}
	})
	require.Positive(t, cuts.Load())
}
