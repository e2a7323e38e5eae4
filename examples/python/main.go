// Python: actors in Go write what they see to a transmit node, and a learner in Python samples it, learns, and sends its
// weights back.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strconv"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/transmit"
)

// Config is what every process of the run is given.
type Config struct {
	Steps   int    // of each actor
	Batches int    // of the learner
	Learner string // the folder with its program
}

// truth is what is to be learned: y = 2·x0 − 3·x1 + 0.5.
var truth = [3]float64{2, -3, 0.5}

// Actor writes points of a line.
type Actor struct {
	id, steps int
	data      transmit.Ref
}

// Run makes the node an active one: the run ends when every Run has returned.
func (a *Actor) Run(ctx context.Context) error {
	w, err := transmit.NewWriter(a.data, transmit.WriterConfig{Keep: 1})
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, uint64(a.id)))
	for range a.steps {
		x := []float64{2*r.Float64() - 1, 2*r.Float64() - 1}
		y := truth[0]*x[0] + truth[1]*x[1] + truth[2]
		if err := w.Append(transmit.Step{"x": transmit.Of(x), "y": transmit.Of([]float64{y})}); err != nil {
			return err
		}
		if err := w.Item(ctx, "seen", 1, 1); err != nil {
			return err
		}
	}
	return w.Close(ctx)
}

// Judge compares what was learned with the truth.
type Judge struct{ data transmit.Ref }

// Run waits for the learner's last word.
func (j *Judge) Run(ctx context.Context) error {
	result, err := weights(transmit.HandOff[[]byte]{Node: j.data, Name: "result"}.Take(ctx))
	if err != nil {
		return err
	}
	latest, version, err := transmit.Register[[]byte]{Node: j.data, Name: "weights"}.Get(ctx)
	published, err := weights(latest, err)
	if err != nil {
		return err
	}
	worst := 0.0
	for i, w := range result {
		worst = max(worst, math.Abs(w-truth[i]))
		if published[i] != w {
			return fmt.Errorf("the last weights that were sent are %v, and the result is %v", published, result)
		}
	}
	slog.InfoContext(ctx, "python", "weights", fmt.Sprintf("%.3f", result), "version", version, "off by", fmt.Sprintf("%.3f", worst))
	if worst > 0.05 {
		return fmt.Errorf("the weights are off by %.3f: more than 0.05", worst)
	}
	return nil
}

// weights are those of a step that the learner has encoded.
func weights(b []byte, err error) ([]float64, error) {
	if err != nil {
		return nil, err
	}
	step, err := transmit.DecodeStep(b)
	if err != nil {
		return nil, err
	}
	w, err := transmit.Values[float64](step["w"])
	if err == nil && len(w) != len(truth) {
		err = fmt.Errorf("%d weights, and there are %d", len(w), len(truth))
	}
	return w, err
}

var program = tlaunch.Define("python", func(p *tlaunch.Program, cfg Config) error {
	hosts := p.Hosts()
	data := tlaunch.Add(p, "data", transmit.NewNode(transmit.Config{Tables: []transmit.Table{{
		Name: "seen", Sampler: transmit.Prioritised(0.6), Limiter: transmit.MinSize(100), MaxItems: 10_000,
		Columns: []transmit.Column{{Name: "x", Type: transmit.Float64, Shape: []int{2}}, {Name: "y", Type: transmit.Float64, Shape: []int{1}}},
	}}}), tlaunch.On(hosts[0]))
	tlaunch.AddCommand(p, "learner", tlaunch.Command{
		Path: "python3", Args: []string{"-B", "learner.py", strconv.Itoa(cfg.Batches)}, Files: cfg.Learner, // -B: in a run in one process that is the folder itself
	}, tlaunch.On(hosts[0]), tlaunch.Talk(transmit.Gateway{Node: data}))
	for i, h := range hosts[1:] {
		tlaunch.Add(p, "actor", &Actor{i, cfg.Steps, data}, tlaunch.On(h))
	}
	tlaunch.Add(p, "judge", &Judge{data}, tlaunch.On(hosts[0]))
	return nil
}, tlaunch.LocalHosts(4))

func main() {
	cfg := Config{Steps: 1000, Batches: 400, Learner: "examples/python/learner"}
	flag.IntVar(&cfg.Steps, "steps", cfg.Steps, "steps of each actor")
	flag.IntVar(&cfg.Batches, "batches", cfg.Batches, "batches of the learner")
	flag.StringVar(&cfg.Learner, "learner", cfg.Learner, "`folder` with the program of the learner")
	tlaunch.Main(program, &cfg)
}
