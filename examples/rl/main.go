// RL: a learner and its actors teach a network to balance a pole, or to swing one up.
package main

import (
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/learning"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
	"github.com/tartrl/tlaunch-go/transmit"
)

// Config is what every process of the run is given.
type Config struct {
	Task      string  // cartpole or acrobot
	Goal      float64 // mean return at which the task is solved; 0: the task's own
	Seed      uint64
	Updates   int    // after as many without the goal the run fails
	Judged    int    // episodes that each version of the weights plays without exploring
	Inference bool   // actors ask one node instead of having a network each
	Resume    string // folder on the first host, from which the run goes on and in which it is kept; empty: none
	JSON      string // file on the first host for the counters; empty: none
}

// task is what there is to learn.
type task struct {
	environment func() environment
	goal        float64 // mean return over 100 episodes in a row
	discount    float64
}

// An environment also says how large its network has to be.
type environment interface {
	learning.Environment
	Actions() int
	Observations() int
}

var tasks = map[string]task{
	"cartpole": {func() environment { return &CartPole{} }, 475, 0.99}, // the goal of CartPole-v1
	"acrobot":  {func() environment { return &Acrobot{} }, -100, 0.99},
}

const (
	steps       = 5       // of an item
	replaySize  = 100_000 // items
	replayFirst = 1_000   // items before the first sample
	perItem     = 4       // samples
	saveEvery   = 10 * time.Second
)

var rl = tlaunch.Define("rl", func(p *tlaunch.Program, cfg Config) error {
	t, ok := tasks[cfg.Task]
	if !ok {
		return fmt.Errorf("-task %q: it is cartpole or acrobot", cfg.Task)
	}
	if cfg.Updates < 1 || cfg.Judged < 1 {
		return fmt.Errorf("-updates %d, -judged %d: both must be positive", cfg.Updates, cfg.Judged)
	}
	for name, path := range map[string]string{"resume": cfg.Resume, "json": cfg.JSON} {
		if path != "" && !filepath.IsAbs(path) { // a host's process is in a folder that ends with the run
			return fmt.Errorf("-%s %q: give the whole path on the first host, such as \"$PWD/%s\"; what processes write into their own folder is lost with the run", name, path, path)
		}
	}
	if cfg.Goal == 0 {
		cfg.Goal = t.goal
	}
	hosts := p.Hosts()
	first, others := hosts[0], hosts[1:]
	if len(others) == 0 {
		others = hosts
	}
	data := tlaunch.Add(p, "data", transmit.NewNode(transmit.Config{
		Tables: []transmit.Table{{
			Name: "replay", Sampler: transmit.Prioritised(0.6), MaxItems: replaySize,
			Limiter: transmit.SampleToInsertRatio(perItem, replayFirst, 1_000),
		}},
		Checkpoints: transmit.Checkpoints{Dir: cfg.Resume, Every: saveEvery},
		Seed:        cfg.Seed,
	}), tlaunch.On(first))
	board := tlaunch.Add(p, "board", &learning.Board{Every: time.Second, JSON: cfg.JSON}, tlaunch.On(first))
	group := collective.Over(topology.Star()) // weights go from the learner, who joins first, to all others
	learner := &Learner{cfg: cfg, data: data, board: board}
	collective.Join(group, tlaunch.Add(p, "learner", learner, tlaunch.On(first)), learner, first.Name)
	var asked []actor.Ref[learning.Evaluator]
	if cfg.Inference {
		policy := &Policy{task: cfg.Task}
		ref := tlaunch.Add(p, "policy", policy, tlaunch.On(first), tlaunch.Batched((*Policy).Evaluate, len(others), 2*time.Millisecond))
		collective.Join(group, ref, policy, first.Name)
		asked = append(asked, actor.As[learning.Evaluator](ref))
	}
	for i, h := range others {
		a := &Actor{cfg: cfg, id: i, data: data, board: board, policy: slices.Clone(asked), epsilon: epsilon(i, len(others))}
		ref := tlaunch.Add(p, "actor", a, tlaunch.On(h), tlaunch.OnFailure(tlaunch.Restart(tlaunch.Restarts{}), tlaunch.KeepAtLeast(1)))
		collective.Join(group, ref, a, h.Name)
	}
	return group.Seal()
}, tlaunch.LocalHosts(4))

// epsilon is how often an actor does anything: each another part of the time
// (Horgan et al., "Distributed Prioritized Experience Replay", 2018, section 4.1).
func epsilon(i, of int) float64 {
	return math.Pow(0.4, 1+7*float64(i)/math.Max(1, float64(of-1)))
}

func main() {
	cfg := Config{Task: "cartpole", Seed: 1, Updates: 60_000, Judged: 3}
	flag.StringVar(&cfg.Task, "task", cfg.Task, "what is learned: cartpole or acrobot")
	flag.Float64Var(&cfg.Goal, "goal", cfg.Goal, "mean `return` over 100 episodes in a row; 0: 475 for cartpole, -100 for acrobot")
	flag.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "of all randomness")
	flag.IntVar(&cfg.Updates, "updates", cfg.Updates, "updates after which the run fails without the goal")
	flag.IntVar(&cfg.Judged, "judged", cfg.Judged, "episodes that each version of the weights plays without exploring; their returns are held against the goal")
	flag.BoolVar(&cfg.Inference, "inference", cfg.Inference, "one node evaluates the network for all actors")
	flag.StringVar(&cfg.Resume, "resume", cfg.Resume, "`folder` on the first host, as an absolute path, in which the run is kept, and from which it goes on")
	flag.StringVar(&cfg.JSON, "json", cfg.JSON, "`file` on the first host, as an absolute path, to which counters are written, an object a line")
	picture := &returns{}
	flag.Func("plot", "draw returns over time into this `FILE`, as SVG", picture.open)
	tlaunch.Main(rl, &cfg, tlaunch.OnRecord(picture.record))
}
