package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/examples/internal/neural"
	"github.com/tartrl/tlaunch-go/learning"
	"github.com/tartrl/tlaunch-go/topology/collective"
	"github.com/tartrl/tlaunch-go/transmit"
)

const (
	batchSize     = 64
	targetEvery   = 200  // updates
	publishEvery  = 50   // updates
	window        = 100  // episodes of which the mean counts
	leastPriority = 1e-3 // beside the error
)

// Learner is a double deep Q-network (van Hasselt, Guez and Silver, "Deep
// Reinforcement Learning with Double Q-learning", 2016) with returns of several
// steps. It plays its own versions, without any exploration, until the last
// 100 episodes have the goal's mean return.
type Learner struct {
	collective.Member
	cfg   Config
	data  transmit.Ref
	board actor.Ref[*learning.Board]

	LearnerState
	source        *rand.PCG
	task          task
	env           environment
	online        *Network
	target        *Network
	next, now, dy neural.Matrix
	judge         *learning.Acting
	publisher     *collective.Publisher
	version       uint64 // of the newest that was published
}

// LearnerState is what the learner is, beside the items: with -resume a later run begins with it.
type LearnerState struct {
	Weights, Target []float32 // of the networks
	Adam            neural.Adam
	Updates         int
	Random          []byte    // state of the judge's source
	Returns         []float64 // of the last episodes that were judged
	Counters        learning.Counters
}

// kept is where the state is; the node saves it together with the items.
func (l *Learner) kept() transmit.Register[LearnerState] {
	return transmit.Register[LearnerState]{Node: l.data, Name: "learner"}
}

// Run learns until the goal is reached.
func (l *Learner) Run(ctx context.Context) error {
	l.prepare()
	if err := l.restore(ctx); err != nil {
		return err
	}
	var err error
	if l.publisher, err = collective.NewPublisher(ctx, l, publication); err != nil {
		return err
	}
	if err := l.publish(ctx, 0); err != nil {
		return err
	}
	told := l.Updates
	for batch, err := range learning.Batches(ctx, l.data, "replay", batchSize) {
		if err != nil {
			return err
		}
		if err := l.update(batch); err != nil {
			return err
		}
		if l.Updates%publishEvery != 0 && l.Updates < l.cfg.Updates {
			continue
		}
		if err := l.publish(ctx, l.Updates-told); err != nil {
			return err
		}
		told = l.Updates
		solved, err := l.judgeVersion(ctx)
		if err != nil {
			return err
		}
		if err := l.keep(ctx); err != nil {
			return err
		}
		if solved {
			slog.InfoContext(ctx, "solved", "task", l.cfg.Task, "mean", mean(l.Returns), "episodes", window, "updates", l.Updates)
			return tlaunch.Stop(ctx)
		}
		if l.Updates >= l.cfg.Updates {
			return fmt.Errorf("after %d updates the mean return over the last %d episodes is %.1f, not %.1f", l.Updates, len(l.Returns), mean(l.Returns), l.cfg.Goal)
		}
	}
	return nil
}

func (l *Learner) prepare() {
	l.task = tasks[l.cfg.Task]
	l.env = l.task.environment()
	l.source = rand.NewPCG(l.cfg.Seed, 0)
	r := rand.New(l.source)
	l.online, l.target = newNetwork(l.env, r), untrained(l.env)
	copy(l.target.Values(), l.online.Values())
	l.Adam = neural.Adam{Rate: 1e-3, Epsilon: 1e-5, Clip: 10}
	l.next, l.now = neural.NewMatrix(batchSize, l.env.Observations()), neural.NewMatrix(batchSize, l.env.Observations())
	l.dy = neural.NewMatrix(batchSize, l.env.Actions())
	l.judge = &learning.Acting{Environment: l.task.environment(), Random: r, Policy: l}
}

// restore goes on where an earlier run was, if there was one.
func (l *Learner) restore(ctx context.Context) error {
	if l.cfg.Resume == "" {
		return nil
	}
	state, version, err := l.kept().Peek(ctx)
	if err != nil || version == 0 {
		return err
	}
	if len(state.Weights) != len(l.online.Values()) || len(state.Target) != len(l.target.Values()) {
		return fmt.Errorf("%s has a network of another task", l.cfg.Resume)
	}
	l.LearnerState = state
	copy(l.online.Values(), state.Weights)
	copy(l.target.Values(), state.Target)
	if err := l.source.UnmarshalBinary(state.Random); err != nil {
		return err
	}
	slog.InfoContext(ctx, "resumed", "updates", l.Updates)
	return actor.Do(ctx, l.board, (*learning.Board).Restore, state.Counters)
}

// update learns from a batch, and says how much each of its items deserves to be seen again.
func (l *Learner) update(batch *learning.Batch) error {
	transitions, err := learning.Transitions(batch.Items, l.task.discount)
	if err != nil {
		return err
	}
	for i, t := range transitions {
		if len(t.Observation) != l.now.Cols || len(t.Next) != l.next.Cols || t.Action < 0 || t.Action >= l.dy.Cols {
			return fmt.Errorf("item %d is one of another task", batch.Items[i].Key)
		}
		copy(neural.Row(l.now, i), t.Observation)
		copy(neural.Row(l.next, i), t.Next)
	}
	// The online network chooses what comes next, the target says what that is worth.
	values := l.online.Forward(l.next)
	worth := l.target.Forward(l.next)
	wanted := make([]float32, len(transitions))
	for i, t := range transitions {
		wanted[i] = t.Return + t.Discount*neural.Row(worth, i)[learning.Greedy(neural.Row(values, i))]
	}
	values = l.online.Forward(l.now)
	beta := math.Min(1, 0.4+0.6*float64(l.Updates)/float64(l.cfg.Updates))
	importance := batch.Importance(beta)
	clear(l.dy.Data)
	batch.Priorities = make([]float64, len(transitions))
	for i, t := range transitions {
		d := neural.Row(values, i)[t.Action] - wanted[i]
		_, slope := neural.Huber(d)
		neural.Row(l.dy, i)[t.Action] = slope * importance[i] / float32(len(transitions))
		batch.Priorities[i] = math.Abs(float64(d)) + leastPriority
	}
	l.online.ZeroGrads()
	l.online.Backward(l.dy)
	l.Adam.Update(l.online.Values(), l.online.Grads())
	if l.Updates++; l.Updates%targetEvery == 0 {
		copy(l.target.Values(), l.online.Values())
	}
	return nil
}

// publish gives the actors a version of the weights, and the board its news.
func (l *Learner) publish(ctx context.Context, updates int) (err error) {
	if l.version, err = l.publisher.Publish(l.online.weights()); err != nil {
		return err
	}
	return actor.Do(ctx, l.board, (*learning.Board).Learned, learning.Learned{Updates: updates, Version: l.version})
}

// keep hands the node what it is to save.
func (l *Learner) keep(ctx context.Context) (err error) {
	if l.cfg.Resume == "" {
		return nil
	}
	l.Weights, l.Target = l.online.Values(), l.target.Values()
	if l.Random, err = l.source.MarshalBinary(); err != nil {
		return err
	}
	if l.Counters, err = actor.Call0(ctx, l.board, (*learning.Board).Counters); err != nil {
		return err
	}
	_, err = l.kept().Send(ctx, l.LearnerState)
	return err
}

// Values are those of the weights that the learner has: it plays by them itself.
func (l *Learner) Values(_ context.Context, observation []float32) ([]float32, uint64, error) {
	values, err := l.online.Evaluate([][]float32{observation})
	if err != nil {
		return nil, 0, err
	}
	return values[0], l.version, nil
}

// judgeVersion plays some episodes, and says whether the last 100 are good enough.
func (l *Learner) judgeVersion(ctx context.Context) (solved bool, err error) {
	for range l.cfg.Judged {
		e, err := l.judge.Play(ctx)
		if err != nil {
			return false, err
		}
		if err := actor.Do(ctx, l.board, (*learning.Board).Played, learning.Played{Group: "greedy", Episode: e}); err != nil {
			return false, err
		}
		if l.Returns = append(l.Returns, e.Return); len(l.Returns) > window {
			l.Returns = l.Returns[1:]
		}
		if len(l.Returns) == window && mean(l.Returns) >= l.cfg.Goal {
			return true, nil
		}
	}
	return false, nil
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
