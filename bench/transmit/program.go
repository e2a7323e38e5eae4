package transmit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/cputime"
	"github.com/tartrl/tlaunch-go/transmit"
)

// job is one measurement that a driver makes.
type job struct {
	Table    string
	Size     int // of an item's data
	Clients  int // writers, or samplers
	Sample   bool
	Duration time.Duration
}

// found is what was measured.
type found struct {
	Rate      float64 // items a second
	Processor float64 // nanoseconds of processor time of both processes for an item
}

// driver writes to the data node and samples from it.
type driver struct {
	data transmit.Ref
	peer []actor.Ref[*peer]          // in the data node's process; none: that is this one
	end  func(context.Context) error // of the way without TLS; nil: there is none
}

var (
	_ = actor.Method((*driver).Measure)
	_ = actor.Method((*driver).Pour)
)

// metered does something with a number of items, and reckons what each took.
func (d *driver) metered(ctx context.Context, do func() (items float64, err error)) (f found, err error) {
	var used [2]time.Duration
	for i := range used {
		used[i] = cputime.Used()
		for _, p := range d.peer {
			its, err := actor.Call0(ctx, p, (*peer).Used)
			if err != nil {
				return f, err
			}
			used[i] += its
		}
		if i > 0 {
			break
		}
		begin := time.Now()
		items, err := do()
		if err != nil {
			return f, err
		}
		f.Rate = items / time.Since(begin).Seconds()
		f.Processor = items
	}
	f.Processor = float64(used[1]-used[0]) / f.Processor
	return f, nil
}

// Measure inserts or samples as fast as it can.
func (d *driver) Measure(ctx context.Context, j job) (found, error) {
	return d.metered(ctx, func() (float64, error) { return d.work(ctx, j) })
}

// work returns how many items were inserted or sampled.
func (d *driver) work(ctx context.Context, j job) (float64, error) {
	client := d.write
	if j.Sample {
		client = d.read
	}
	measured, cancel := context.WithTimeout(ctx, j.Duration)
	defer cancel()
	var items atomic.Int64
	errs := make([]error, j.Clients)
	var group sync.WaitGroup
	for i := range j.Clients {
		group.Go(func() { errs[i] = client(ctx, measured.Done(), j, &items) })
	}
	group.Wait()
	return float64(items.Load()), errors.Join(errs...)
}

func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// write inserts until done is closed, but once at least, and counts what is in.
func (d *driver) write(ctx context.Context, done <-chan struct{}, j job, items *atomic.Int64) error {
	batch := 256 << 10
	if j.Size > 64<<10 {
		batch = 1000 << 10
	}
	w, err := transmit.NewWriter(d.data, transmit.WriterConfig{Keep: 1, BatchBytes: batch})
	if err != nil {
		return err
	}
	step := transmit.Step{"x": transmit.Of(make([]uint8, j.Size))}
	n := int64(0)
	for ; n == 0 || !over(done); n++ {
		if err := w.Append(step); err != nil {
			return err
		}
		if err := w.Item(ctx, j.Table, 1, float64(1+n%100)); err != nil {
			return err
		}
	}
	err = w.Close(ctx)
	items.Add(n)
	return err
}

// read samples until done is closed, but once at least.
func (d *driver) read(ctx context.Context, done <-chan struct{}, j job, items *atomic.Int64) error {
	s := transmit.NewSampler(d.data, j.Table, transmit.SamplerConfig{Batch: 1024, Ahead: 4})
	defer s.Close(ctx)
	for n := int64(0); ; n++ {
		if n > 0 && over(done) {
			items.Add(n)
			return nil
		}
		it, err := s.Next(ctx)
		if err != nil {
			return err
		}
		if x, err := it.Tensor(0, "x"); err != nil || len(x.Data) != j.Size {
			return fmt.Errorf("an item of %d bytes: %w", len(x.Data), err)
		}
	}
}

// selectors are the samplers that are measured.
var selectors = []struct {
	name string
	transmit.Selector
}{{"uniform", transmit.Uniform()}, {"prioritised", transmit.Prioritised(0.6)}}

// tableName is the table for items of a size.
func tableName(size int, selector string) string { return fmt.Sprintf("%s-%d", selector, size) }

// plan says what a run is for.
type plan struct {
	Sizes []int
	Apart bool // data and driver are in processes of their own
}

func tablesFor(sizes []int) (tables []transmit.Table) {
	for _, size := range sizes {
		for _, s := range selectors {
			tables = append(tables, transmit.Table{Name: tableName(size, s.name), Sampler: s.Selector, MaxItems: 256 << 20 / size})
		}
	}
	return tables
}

var program = tlaunch.Define("bench-transmit", func(p *tlaunch.Program, c plan) error {
	hosts := p.Hosts()
	d := &driver{data: tlaunch.Add(p, "data", transmit.NewNode(transmit.Config{Tables: tablesFor(c.Sizes), Seed: 1}), tlaunch.On(hosts[0]))}
	if c.Apart {
		d.peer = append(d.peer, tlaunch.Add(p, "peer", &peer{}, tlaunch.On(hosts[0])))
	}
	tlaunch.Add(p, "driver", d, tlaunch.On(hosts[1]))
	return nil
})
