package transmit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit"
)

// alone runs f with a node in this process.
func alone(ctx context.Context, c transmit.Config, f func(*driver) error) error {
	names := actor.NewTable()
	data := actor.NewRef[*transmit.Node](names, "data/0")
	sys := actor.NewSystem(actor.Config{Table: names})
	value := transmit.NewNode(c)
	node, err := sys.Spawn(actor.Spec{Key: "data/0", Value: value, Concurrent: value.Concurrent()})
	if err == nil {
		err = node.Start(ctx)
	}
	if err == nil {
		err = f(&driver{data: data})
		c := context.WithoutCancel(ctx)
		err = errors.Join(err, node.Stop(c))
	}
	return errors.Join(err, sys.Close(context.WithoutCancel(ctx)))
}

// fill inserts items of a size.
func (d *driver) fill(ctx context.Context, table string, size, items int) error {
	w, err := transmit.NewWriter(d.data, transmit.WriterConfig{Keep: 1})
	if err != nil {
		return err
	}
	step := transmit.Step{"x": transmit.Of(make([]uint8, size))}
	for i := range items {
		if err := errors.Join(w.Append(step), w.Item(ctx, table, 1, float64(1+i%100))); err != nil {
			return err
		}
	}
	return w.Close(ctx)
}

func heap() float64 {
	runtime.GC()
	runtime.GC() // what pools kept through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// large measures a table of many items: what each costs, and prioritised beside uniform sampling.
func large(ctx context.Context, c config, say func(row) error) error {
	const size = 256
	rates := map[string]float64{}
	for _, s := range selectors {
		name, before := s.name, heap()
		tables := []transmit.Table{{Name: "t", Sampler: s.Selector, MaxItems: c.items}}
		err := alone(ctx, transmit.Config{Tables: tables, Seed: 1}, func(d *driver) error {
			if err := d.fill(ctx, "t", size, c.items); err != nil {
				return err
			}
			each := (heap()-before)/float64(c.items) - size
			if err := say(row{Case: fmt.Sprintf("memory/%s/%d items", name, c.items), Size: size, Value: each, Unit: "B"}.atMost(100)); err != nil {
				return err
			}
			found, err := d.Measure(ctx, job{Table: "t", Size: size, Clients: 1, Sample: true, Duration: c.duration})
			if err != nil {
				return err
			}
			rates[name] = found.Rate
			return say(row{Case: fmt.Sprintf("sample/%s/%d items", name, c.items), Size: size, Value: found.Rate, Unit: "items/s", Processor: found.Processor})
		})
		if err != nil {
			return err
		}
	}
	return say(row{Case: "prioritised/uniform", Size: size, Value: rates["prioritised"] / rates["uniform"], Unit: "of its rate"}.atLeast(0.5))
}

// checkpoints measures saving beside writing as many bytes to the same disk.
func checkpoints(ctx context.Context, c config, say func(row) error) error {
	dir, err := os.MkdirTemp(c.dir, "bench-transmit-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil { // the node takes no other
		return err
	}
	bare, err := writeFile(filepath.Join(dir, "bare"), c.bytes)
	if err != nil {
		return err
	}
	if err := say(row{Case: "disk/bare", Size: int(c.bytes), Value: bare, Unit: "s"}); err != nil {
		return err
	}
	cfg := transmit.Config{
		Tables:      []transmit.Table{{Name: "t"}, {Name: "beside", MaxItems: 1000}},
		Checkpoints: transmit.Checkpoints{Dir: filepath.Join(dir, "checkpoints"), Keep: 1},
	}
	return alone(ctx, cfg, func(d *driver) error {
		if err := d.fill(ctx, "t", small, int(c.bytes/small)); err != nil {
			return err
		}
		beside, stop := context.WithCancel(ctx)
		defer stop()
		var longest atomic.Int64 // between two inserts
		stopped := make(chan error)
		go func() { stopped <- d.longest(beside, &longest) }()
		info, err := transmit.Checkpoint(ctx, d.data)
		stop()
		if err := errors.Join(err, <-stopped); err != nil {
			return err
		}
		return errors.Join(
			say(row{Case: "checkpoint", Size: int(info.Bytes), Value: info.Took.Seconds(), Unit: "s"}.atMost(2*bare)),
			say(row{Case: "checkpoint/all waits", Size: int(info.Bytes), Value: info.Held.Seconds() * 1e3, Unit: "ms"}.atMost(50)),
			say(row{Case: "checkpoint/longest insert beside it", Size: small, Value: time.Duration(longest.Load()).Seconds() * 1e3, Unit: "ms"}),
		)
	})
}

// longest inserts, one item at a time, until ctx ends, and notes the longest that one took.
func (d *driver) longest(ctx context.Context, longest *atomic.Int64) error {
	w, err := transmit.NewWriter(d.data, transmit.WriterConfig{Keep: 1})
	if err != nil {
		return err
	}
	step := transmit.Step{"x": transmit.Of(make([]uint8, small))}
	for ctx.Err() == nil {
		begin := time.Now()
		if err := errors.Join(w.Append(step), w.Item(ctx, "beside", 1, 1), w.Flush(ctx)); err != nil {
			break // ctx has ended, or Close says so
		}
		longest.Store(max(longest.Load(), int64(time.Since(begin))))
	}
	return w.Close(context.WithoutCancel(ctx))
}

// writeFile writes n bytes to disk and returns the seconds that took.
func writeFile(path string, n int64) (float64, error) {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	begin := time.Now()
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	for written := int64(0); written < n && err == nil; written += int64(len(b)) {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	took := time.Since(begin).Seconds()
	return took, errors.Join(err, f.Close(), os.Remove(path))
}
