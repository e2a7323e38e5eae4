// Weights: a learner publishes versions of its weights, and readers on all other hosts, which come and go, read the newest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/examples/internal/plot"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Config is what every process of the run is given.
type Config struct {
	Rounds int           // versions; 0 or less: until stopped
	Every  time.Duration // between versions
	Layer  int           // numbers in each layer
}

// layers is how many tensors the weights consist of. Each version changes one of them.
const layers = 8

// changed is the version that changed a layer last, which is also the value of its numbers; 0: none has.
func changed(version, layer int) int {
	return max(0, version-(version-layer+layers)%layers)
}

// Learner has the weights.
type Learner struct {
	collective.Member
	cfg     Config
	staying chan struct{} // from each reader that has come to stay
}

// Start runs before any method, and before Run.
func (l *Learner) Start(context.Context) error {
	l.staying = make(chan struct{}, l.Shape().Len())
	return nil
}

// Stay is called by readers that go no more.
func (l *Learner) Stay(context.Context) error {
	l.staying <- struct{}{}
	return nil
}

// Run changes the weights and publishes them. Publish waits for nobody: where readers are slower than the learner they leave versions out.
func (l *Learner) Run(ctx context.Context) error {
	weights, err := collective.NewPublisher(ctx, l, "weights")
	if err != nil {
		return err
	}
	set := map[string]tensor.Tensor{}
	for layer := range layers {
		set[name(layer)] = tensor.Of(make([]float32, l.cfg.Layer))
	}
	for version := 1; l.cfg.Rounds <= 0 || version <= l.cfg.Rounds; version++ {
		numbers := make([]float32, l.cfg.Layer)
		for i := range numbers {
			numbers[i] = float32(version)
		}
		set[name(version%layers)] = tensor.Of(numbers)
		set["version"] = tensor.Scalar(int64(version))
		if _, err := weights.Publish(set); err != nil {
			return err
		}
		select {
		case <-time.After(l.cfg.Every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range l.Shape().Len() - 1 { // the last version is for all, so those who are away have to come
		select {
		case <-l.staying:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err = weights.Close(ctx)
	stats := weights.Stats()
	slog.InfoContext(ctx, "published", "versions", stats.Versions, "bytes", int(stats.Versions)*layers*4*l.cfg.Layer, "sent", stats.SentBytes)
	return err
}

func name(layer int) string { return fmt.Sprint("layer/", layer) }

// Reader acts on the newest weights.
type Reader struct {
	collective.Member
	cfg      Config
	learner  actor.Ref[*Learner]
	versions int // that it has read
	last     int
}

// Run reads for a while and goes, twice, and then stays until the learner has closed.
func (r *Reader) Run(ctx context.Context) error {
	for visit := 0; r.cfg.Rounds <= 0 || visit < 2; visit++ {
		weights, err := collective.NewReader(ctx, r, 0, "weights")
		if err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, time.Duration(1+r.Rank())*5*max(r.cfg.Every, time.Millisecond)) // long enough to read, with -every 0 too
		err = r.read(short, weights)
		cancel()
		if err := weights.Close(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	weights, err := collective.NewReader(ctx, r, 0, "weights")
	if err != nil {
		return err
	}
	if _, err := weights.Latest(ctx); err != nil { // it has come
		return err
	}
	if err := actor.Do0(ctx, r.learner, (*Learner).Stay); err != nil {
		return err
	}
	if err := r.read(ctx, weights); !errors.Is(err, collective.ErrEnded) || ctx.Err() != nil {
		return err
	}
	return weights.Close(ctx) // when those that read through this host have the last version too
}

// read looks at each version that it comes by, until there is an error.
func (r *Reader) read(ctx context.Context, weights *collective.Reader) error {
	for number := uint64(0); ; {
		v, err := weights.Next(ctx, number)
		if err != nil {
			return err
		}
		if err := r.look(v); err != nil {
			return err
		}
		slog.DebugContext(ctx, "read", "version", r.last)
		number = v.Number
	}
}

// look checks that a version is whole: each layer is as it has to be in this one.
func (r *Reader) look(v *collective.Version) error {
	version, err := tensor.Values[int64](v.Tensors["version"])
	if err != nil {
		return err
	}
	r.versions++
	if int(version[0]) < r.last {
		return fmt.Errorf("version %d came after %d", version[0], r.last)
	}
	r.last = int(version[0])
	for layer := range layers {
		numbers, err := tensor.Values[float32](v.Tensors[name(layer)])
		if err != nil {
			return err
		}
		for _, n := range numbers {
			if want := changed(r.last, layer); int(n) != want {
				return fmt.Errorf("%s of version %d has a %v, and not %d", name(layer), r.last, n, want)
			}
		}
	}
	return nil
}

// Stop is called once, when the run ends, and reports what was read.
func (r *Reader) Stop(ctx context.Context) error {
	expected := r.cfg.Rounds
	if expected <= 0 {
		expected = r.last
	}
	slog.InfoContext(ctx, "weights", "versions", r.versions, "last", r.last, "expected", expected)
	if r.last != expected {
		return fmt.Errorf("the last version that was read is %d, not %d", r.last, expected)
	}
	return nil
}

var weights = tlaunch.Define("weights", func(p *tlaunch.Program, cfg Config) error {
	hosts := p.Hosts()
	if len(hosts) < 2 {
		return errors.New("weights needs at least 2 hosts: the first for the learner, one for each reader")
	}
	group := collective.Over(topology.Tree(2))
	learner := &Learner{cfg: cfg}
	ref := tlaunch.Add(p, "learner", learner, tlaunch.On(hosts[0]))
	collective.Join(group, ref, learner, hosts[0].Name)
	for _, h := range hosts[1:] {
		reader := &Reader{cfg: cfg, learner: ref}
		collective.Join(group, tlaunch.Add(p, "reader", reader, tlaunch.On(h)), reader, h.Name)
	}
	return plot.Sealed(group)
}, tlaunch.LocalHosts(7))

func main() {
	cfg := Config{Rounds: 40, Every: 20 * time.Millisecond, Layer: 1 << 16}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "versions that the learner publishes; 0: until stopped")
	flag.DurationVar(&cfg.Every, "every", cfg.Every, "time from one version to the next")
	flag.IntVar(&cfg.Layer, "layer", cfg.Layer, "float32 numbers in each of the 8 layers")
	plot.Flag()
	tlaunch.Main(weights, &cfg)
}
