// Mnist: workers on all hosts train one network on handwritten digits, each on its own part of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Config is what every process of the run is given.
type Config struct {
	Data   string  // the folder of the files, on the first host
	Epochs int     // how often each image is looked at
	Steps  int     // 0: all steps of the epochs
	Batch  int     // images in a step, over all shards
	Shards int     // parts of the images; each belongs to one worker
	Hidden int     // units
	Rate   float64 // of learning
	Seed   uint64
	Target float64 // the accuracy without which the run has failed; not with Steps

	Explain bool // measure the links first, and say what the first worker expects of each way to add gradients up
}

func (c Config) check(workers int) error {
	switch {
	case c.Epochs < 1 || c.Steps < 0 || c.Hidden < 1:
		return errors.New("-epochs and -hidden are at least 1, and -steps is 0 or more")
	case c.Shards < workers || c.Shards > 1024:
		return fmt.Errorf("-shards %d: each of the %d hosts needs at least one, and 1024 are the most", c.Shards, workers)
	case c.Batch < c.Shards || c.Batch%c.Shards != 0:
		return fmt.Errorf("-batch %d: all %d shards have the same part of it, so it is a multiple of that", c.Batch, c.Shards)
	case !(c.Rate > 0 && c.Rate <= 1) || !(c.Target >= 0 && c.Target <= 1):
		return errors.New("-rate is greater than 0 and at most 1, -target from 0 to 1")
	}
	return nil
}

// Worker trains a copy of the network. All copies are the same after each step.
type Worker struct {
	collective.Member
	cfg Config
}

// explained measures the links, as all workers do at once, and has the first one print a forecast of the operation that is given the options.
func (w *Worker) explained(ctx context.Context) ([]collective.Option, error) {
	if err := collective.Measure(ctx, w); err != nil || w.Rank() > 0 {
		return nil, err
	}
	return []collective.Option{collective.Explain(func(f collective.Forecast) { fmt.Print(f) })}, nil
}

// Run makes the node an active one: the run ends when every Run has returned.
func (w *Worker) Run(ctx context.Context) error {
	training, test, err := w.fetch(ctx)
	if err != nil {
		return err
	}
	steps := training.Len() / w.cfg.Shards / (w.cfg.Batch / w.cfg.Shards)
	if steps == 0 {
		return fmt.Errorf("-batch %d: there are only %d images", w.cfg.Batch, training.Len())
	}
	t := newTrainer(w.cfg, training, w.Rank(), w.Shape().Len())
	first, began, done := w.Rank() == 0, time.Now(), 0
	loss, accuracy := 0.0, 0.0
	for epoch := range w.cfg.Epochs {
		for step := 0; step < steps && (w.cfg.Steps == 0 || done < w.cfg.Steps); step++ {
			if err := t.gradients(epoch, step); err != nil {
				return err
			}
			var opts []collective.Option
			if w.cfg.Explain && done == 0 {
				if opts, err = w.explained(ctx); err != nil {
					return err
				}
			}
			if err := collective.AllReduce(ctx, w, t.sums, collective.Sum, opts...); err != nil {
				return err
			}
			loss += t.apply(w.cfg.Shards)
			if done++; done%reportEvery == 0 {
				if first {
					slog.InfoContext(ctx, "training", "epoch", epoch+1, "step", done, "loss", rounded(loss/reportEvery), "images_per_second", int(float64(done*w.cfg.Batch)/time.Since(began).Seconds()))
				}
				loss = 0
			}
		}
		right := []int64{t.right(test)}
		if err := collective.AllReduce(ctx, w, right, collective.Sum); err != nil {
			return err
		}
		accuracy = float64(right[0]) / float64(test.Len())
		if first {
			slog.InfoContext(ctx, "tested", "epoch", epoch+1, "step", done, "accuracy", rounded(accuracy))
		}
		if w.cfg.Steps != 0 && done == w.cfg.Steps {
			break
		}
	}
	if !first {
		return nil
	}
	slog.InfoContext(ctx, "mnist", "workers", w.Shape().Len(), "steps", done, "accuracy", rounded(accuracy), "seconds", rounded(time.Since(began).Seconds()), "weights", t.digest())
	if w.cfg.Steps == 0 && accuracy < w.cfg.Target {
		return fmt.Errorf("the network knows %.2f %% of the test images, and %.2f %% were asked for; try more -epochs", 100*accuracy, 100*w.cfg.Target)
	}
	return nil
}

// reportEvery is how many steps there are between lines, which have their mean loss.
const reportEvery = 50

func rounded(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// fetch brings the images, which the first worker reads, to all.
func (w *Worker) fetch(ctx context.Context) (training, test Digits, err error) {
	sets := []*Digits{&training, &test}
	if w.Rank() == 0 {
		for i, name := range []string{"train", "t10k"} {
			if *sets[i], err = readDigits(w.cfg.Data, name); errors.Is(err, fs.ErrNotExist) {
				return training, test, fmt.Errorf("%w; `make data` gets the files, and -data says where they are on this host", err)
			} else if err != nil {
				return training, test, err
			}
		}
		if training.Rows != test.Rows || training.Cols != test.Cols {
			return training, test, fmt.Errorf("images to train with have %d by %d pixels, those to test with %d by %d", training.Rows, training.Cols, test.Rows, test.Cols)
		}
	}
	for _, d := range sets {
		size := []int32{int32(d.Len()), int32(d.Rows), int32(d.Cols)}
		if err = collective.Broadcast(ctx, w, 0, size); err != nil {
			return training, test, err
		}
		if w.Rank() != 0 {
			d.Rows, d.Cols = int(size[1]), int(size[2])
			d.Pixels, d.Labels = make([]byte, int(size[0])*d.Rows*d.Cols), make([]byte, size[0])
		}
		for _, part := range [][]byte{d.Pixels, d.Labels} {
			if err = collective.Broadcast(ctx, w, 0, part); err != nil {
				return training, test, err
			}
		}
	}
	return training, test, nil
}

var mnist = tlaunch.Define("mnist", func(p *tlaunch.Program, cfg Config) error {
	if err := cfg.check(len(p.Hosts())); err != nil {
		return err
	}
	group := collective.Over(topology.Ring())
	for _, h := range p.Hosts() {
		worker := &Worker{cfg: cfg}
		collective.Join(group, tlaunch.Add(p, "worker", worker, tlaunch.On(h)), worker, h.Name)
	}
	return group.Seal()
}, tlaunch.LocalHosts(2))

func main() {
	cfg := Config{Data: defaultData(), Epochs: 6, Batch: 128, Shards: 8, Hidden: 128, Rate: 0.001, Seed: 1, Target: 0.97}
	flag.StringVar(&cfg.Data, "data", cfg.Data, "the `FOLDER` with the four idx files, plain or gzipped, on the first host")
	flag.IntVar(&cfg.Epochs, "epochs", cfg.Epochs, "how often each image is looked at")
	flag.IntVar(&cfg.Steps, "steps", cfg.Steps, "end after `N` steps; 0: after all epochs")
	flag.IntVar(&cfg.Batch, "batch", cfg.Batch, "images in a step, over all shards")
	flag.IntVar(&cfg.Shards, "shards", cfg.Shards, "parts of the images: each host has one or more of them, and the result is the same for any number of hosts")
	flag.IntVar(&cfg.Hidden, "hidden", cfg.Hidden, "units between the pixels and the digits")
	flag.Float64Var(&cfg.Rate, "rate", cfg.Rate, "how large steps are")
	flag.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "of the first weights and of the order of images")
	flag.Float64Var(&cfg.Target, "target", cfg.Target, "the accuracy without which the run has failed")
	flag.BoolVar(&cfg.Explain, "explain", false, "measure the links, and print what each way to add gradients up is expected to take")
	curves := &curves{}
	flag.Func("plot", "draw loss and accuracy into this `FILE`, as SVG", curves.open)
	tlaunch.Main(mnist, &cfg, tlaunch.OnRecord(curves.add))
}

// defaultData is where `make data` puts the files.
func defaultData() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "tlaunch-data", "mnist")
}
