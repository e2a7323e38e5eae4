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

// driver writes to the data node and samples from it.
type driver struct{ data transmit.Ref }

var _ = actor.Method((*driver).Measure)

// Measure returns how many items a second were inserted or sampled.
func (d *driver) Measure(ctx context.Context, j job) (float64, error) {
	client := d.write
	if j.Sample {
		client = d.read
	}
	measured, cancel := context.WithTimeout(ctx, j.Duration)
	defer cancel()
	var items atomic.Int64
	errs := make([]error, j.Clients)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range j.Clients {
		group.Go(func() { errs[i] = client(ctx, measured.Done(), j, &items) })
	}
	group.Wait()
	return float64(items.Load()) / time.Since(begin).Seconds(), errors.Join(errs...)
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
	s := transmit.NewSampler(d.data, j.Table, transmit.SamplerConfig{Batch: 256, Ahead: 4})
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
		if step, err := it.Step(0); err != nil || len(step["x"].Data) != j.Size {
			return fmt.Errorf("an item of %d bytes: %w", len(step["x"].Data), err)
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

var program = tlaunch.Define("bench-transmit", func(p *tlaunch.Program, sizes []int) error {
	var tables []transmit.Table
	for _, size := range sizes {
		for _, s := range selectors {
			tables = append(tables, transmit.Table{Name: tableName(size, s.name), Sampler: s.Selector, MaxItems: 256 << 20 / size})
		}
	}
	hosts := p.Hosts()
	data := tlaunch.Add(p, "data", transmit.NewNode(transmit.Config{Tables: tables, Seed: 1}), tlaunch.On(hosts[0]))
	tlaunch.Add(p, "driver", &driver{data}, tlaunch.On(hosts[1]))
	return nil
})
