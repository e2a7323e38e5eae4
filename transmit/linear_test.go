package transmit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
	"github.com/tartrl/tlaunch-go/transmit/internal/table/oracle"
)

// A history is what was done to a table, in order, as its node has seen it.
type history struct {
	name  string
	rules table.Config
	done  []deed
	size  int          // of the table
	count atomic.Int64 // of done, for those who have no lock
}

// A deed is one of these.
type deed struct {
	insert *oracle.Item
	there  []table.Key // after an insert for which others went
	sample *table.Sample
	change *ChangeRequest
	items  int // that it changed
}

func (h *history) note(d deed, size int) {
	h.done, h.size = append(h.done, d), size
	h.count.Add(1)
}

// historian writes the history of each table.
type historian map[string]*history

func (h historian) inserted(sh *shelf, from *table.Stream, win window, k table.Key) {
	d := deed{insert: &oracle.Item{Key: k, Priority: win.priority}}
	for i := range win.count {
		d.insert.Steps = append(d.insert.Steps, string(from.Step(win.first+i)))
	}
	of := h[sh.name]
	if sh.Len() <= of.size {
		for it := range sh.Snapshot().Items() {
			d.there = append(d.there, it.Key)
		}
	}
	of.note(d, sh.Len())
}

func (h historian) sampled(sh *shelf, s table.Sample) { h[sh.name].note(deed{sample: &s}, sh.Len()) }

func (h historian) changed(sh *shelf, r ChangeRequest, items int) {
	h[sh.name].note(deed{change: &r, items: items}, sh.Len())
}

// replay does the same to an oracle, and says what cannot have been.
func (h *history) replay() error {
	o := &oracle.Table{Config: h.rules}
	for i, d := range h.done {
		var err error
		switch {
		case d.insert != nil:
			there := d.there
			if there == nil {
				for _, it := range append(o.Items[:len(o.Items):len(o.Items)], d.insert) {
					there = append(there, it.Key)
				}
			}
			err = o.Insert(d.insert, there)
		case d.sample != nil:
			err = o.Sample(*d.sample)
		case d.items != changed(o, *d.change):
			err = fmt.Errorf("%+v changed %d items", *d.change, d.items)
		}
		if err != nil {
			return fmt.Errorf("deed %d of %d: %w", i, len(h.done), err)
		}
	}
	if len(o.Items) != h.size {
		return fmt.Errorf("%d items are left, and the table has %d", len(o.Items), h.size)
	}
	return nil
}

// changed changes an oracle, and says how many items that concerned.
func changed(o *oracle.Table, r ChangeRequest) (items int) {
	if r.All {
		items = len(o.Items)
		o.Reset()
	}
	for i, k := range r.Keys {
		if len(r.Priorities) > 0 && o.Update(table.Key(k), r.Priorities[i]) || len(r.Priorities) == 0 && o.Delete(table.Key(k)) {
			items++
		}
	}
	return items
}

// A sighting is what a client was told of an item, and how much had been done before it asked and when it knew.
type sighting struct {
	key      uint64
	times    int // that it was sampled; 0: the client has inserted it
	from, to int64
}

// clients use a table at once.
type clients struct {
	t     *testing.T
	ref   Ref
	of    *history
	seed  uint64
	mu    sync.Mutex
	known []uint64 // keys

	told    [][]sighting // by client
	written []int64      // by one that is told no keys
}

func (c *clients) see(key uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = append(c.known, key)
}

func (c *clients) some(r *rand.Rand) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) == 0 || r.IntN(8) == 0 {
		return r.Uint64N(1 << 40)
	}
	return c.known[max(0, len(c.known)-1-r.IntN(8))]
}

func priorityBy(r *rand.Rand) float64 { return []float64{0, 0.5, 1, 1, 2, 3, 10}[r.IntN(7)] }

const insertsOfEach = 10

// insert inserts items, one by one.
func (c *clients) insert(ctx context.Context, r *rand.Rand) (seen []sighting) {
	for i := range insertsOfEach {
		from := c.of.count.Load()
		k, err := Insert(ctx, c.ref, c.of.name, number(int64(i)), priorityBy(r))
		require.NoError(c.t, err)
		seen = append(seen, sighting{k, 0, from, c.of.count.Load()})
		c.see(k)
	}
	return seen
}

// write inserts items that share steps, as fast as it may, and returns the numbers of their last steps.
func (c *clients) write(ctx context.Context, r *rand.Rand) (last []int64) {
	w, err := NewWriter(c.ref, WriterConfig{Keep: 4, BatchBytes: 60, Ahead: 3})
	require.NoError(c.t, err)
	for i := range int64(insertsOfEach) {
		require.NoError(c.t, w.Append(number(1000+i)))
		require.NoError(c.t, w.Item(ctx, c.of.name, 1+r.IntN(min(3, int(i)+1)), priorityBy(r)))
		last = append(last, 1000+i)
		if r.IntN(4) == 0 {
			require.NoError(c.t, w.Flush(ctx))
		}
	}
	require.NoError(c.t, w.Close(ctx))
	return last
}

// sample samples until ctx ends, or it has been enough where the limiter does not say so.
func (c *clients) sample(ctx context.Context, next func(context.Context) (Item, error)) (seen []sighting) {
	for c.of.rules.Limiter != table.MinSize(c.of.rules.Limiter.MinSize) || len(seen) < 2*insertsOfEach {
		from := c.of.count.Load()
		it, err := next(ctx)
		if err != nil {
			require.Error(c.t, ctx.Err(), "%v", err)
			break
		}
		seen = append(seen, sighting{it.Key, it.Times, from, c.of.count.Load()})
		c.see(it.Key)
	}
	return seen
}

// change changes what others have inserted.
func (c *clients) change(ctx context.Context, r *rand.Rand) {
	for range insertsOfEach {
		var err error
		switch k := r.IntN(20); {
		case k < 12:
			_, err = UpdatePriorities(ctx, c.ref, c.of.name, []uint64{c.some(r), c.some(r)}, []float64{priorityBy(r), priorityBy(r)})
		case k < 19:
			_, err = Delete(ctx, c.ref, c.of.name, c.some(r), c.some(r))
		default:
			_, err = Reset(ctx, c.ref, c.of.name)
		}
		require.NoError(c.t, err)
	}
}

// use has all sorts of clients use the table, and keeps what each of them saw.
func (c *clients) use(ctx context.Context) {
	random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, n)) }
	sampling, enough := context.WithCancel(ctx)
	defer enough()
	var ending, sampled sync.WaitGroup
	var inserted, single, stream []sighting
	sampled.Go(func() {
		single = c.sample(sampling, func(ctx context.Context) (Item, error) { return Sample(ctx, c.ref, c.of.name) })
	})
	sampled.Go(func() {
		s := NewSampler(c.ref, c.of.name, SamplerConfig{Batch: 3, Ahead: 2})
		defer s.Close(ctx)
		stream = c.sample(sampling, s.Next)
	})
	ending.Go(func() { inserted = c.insert(ctx, random(1)) })
	ending.Go(func() { c.written = c.write(ctx, random(2)) })
	ending.Go(func() { c.change(ctx, random(3)) })
	ending.Wait()
	enough()
	sampled.Wait()
	for i := range stream {
		stream[i].from = 0 // it had been asked for before
	}
	c.told = [][]sighting{inserted, single, stream}
}

// check finds what clients were told in the history: each thing once, at a time when they waited for it, and for each in order.
func (c *clients) check() {
	type event struct {
		key   uint64
		times int
	}
	when := map[event]int64{}
	for i, d := range c.of.done {
		switch {
		case d.insert != nil:
			when[event{uint64(d.insert.Key), 0}] = int64(i)
		case d.sample != nil:
			when[event{uint64(d.sample.Key), int(d.sample.Times)}] = int64(i)
		}
	}
	for _, by := range c.told {
		before := int64(-1)
		for _, s := range by {
			at, ok := when[event{s.key, s.times}]
			require.True(c.t, ok, "%s, seed %d: %+v was not done, or two were told of it", c.of.name, c.seed, s)
			require.True(c.t, max(s.from, before+1) <= at && at < s.to, "%s, seed %d: %+v was done at %d, after %d", c.of.name, c.seed, s, at, before)
			before = at
			delete(when, event{s.key, s.times})
		}
	}
}

// checkWritten finds the items of a writer in the history, all and in order.
func (c *clients) checkWritten() {
	var got []int64
	for _, d := range c.of.done {
		if d.insert == nil {
			continue
		}
		step, err := DecodeStep([]byte(d.insert.Steps[len(d.insert.Steps)-1]))
		require.NoError(c.t, err)
		if n := numberOf(c.t, step); n >= 1000 {
			got = append(got, n)
		}
	}
	require.Equal(c.t, c.written, got, "%s, seed %d", c.of.name, c.seed)
}

// Many clients at once use tables with every sampler, remover and limiter. The node says in which order it did what it
// did; done in that order by one who has all the time in the world, it must come to the same, and to what the clients were told.
func TestWhatManyDoAtOnceCanHaveBeenDoneInOrder(t *testing.T) {
	selectors := []Selector{FIFO(), LIFO(), Uniform(), Prioritised(0.6), MinHeap(), MaxHeap()}
	limiters := []Limiter{MinSize(3), SampleToInsertRatio(1.5, 2, 3), QueueOf(4)}
	var tables []Table
	all := historian{}
	for i, sampler := range selectors {
		for j, remover := range selectors {
			for k, limiter := range limiters {
				one := Table{
					Name: fmt.Sprintf("sampler %d, remover %d, limiter %d", i, j, k), Sampler: sampler, Remover: remover, Limiter: limiter,
					MaxItems: []int{4, 6}[(i+j)%2], MaxBytes: []int64{0, 60}[(i+k)%2], MaxTimesSampled: []int{0, 2, 3}[(i+j+k)%3],
				}
				tables = append(tables, one)
				all[one.Name] = &history{name: one.Name, rules: one.rules()}
			}
		}
	}
	sys, ref, node, value := spawnedValue(t, Config{Tables: tables, Seed: 1})
	require.NoError(t, node.Start(t.Context()))
	value.state.watcher = all
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a limiter at which all stand still is found so
	defer cancel()
	var group errgroup.Group
	group.SetLimit(12) // of all at once some would wait for seconds, and then a sampler asks again, which may cost a request its place
	using := make([]*clients, len(tables))
	for i, one := range tables {
		using[i] = &clients{t: t, ref: ref, of: all[one.Name], seed: uint64(i)}
		group.Go(func() error { using[i].use(ctx); return nil })
	}
	require.NoError(t, group.Wait())
	require.NoError(t, node.Stop(t.Context())) // what was asked for and given up is over then, too
	require.NoError(t, sys.Close(t.Context()))
	require.False(t, t.Failed())
	for _, c := range using {
		require.NoError(t, c.of.replay(), "%s, seed %d", c.of.name, c.seed)
		c.check()
		c.checkWritten()
	}
}
