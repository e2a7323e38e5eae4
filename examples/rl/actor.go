package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/learning"
	"github.com/tartrl/tlaunch-go/topology/collective"
	"github.com/tartrl/tlaunch-go/transmit"
)

const publication = "weights" // the name under which the learner, the first of the group, publishes

// Actor plays, more or less by what has been learned, and records it.
type Actor struct {
	collective.Member
	cfg     Config
	id      int
	epsilon float64
	data    transmit.Ref
	board   actor.Ref[*learning.Board]
	policy  []actor.Ref[learning.Evaluator] // whom to ask for the values of actions; none: it has a network of its own
}

// Run plays until the run ends. It is called again when the actor has failed, or its host.
func (a *Actor) Run(ctx context.Context) error {
	recorder, err := learning.NewRecorder(a.data, "replay", steps)
	if err != nil {
		return err
	}
	env := tasks[a.cfg.Task].environment()
	acting := &learning.Acting{Environment: env, Recorder: recorder}
	if len(a.policy) > 0 {
		acting.Policy = learning.Remote{Node: a.policy[0]}
	} else {
		weights, err := collective.NewReader(ctx, a, 0, publication)
		if err != nil {
			return err
		}
		defer weights.Close(ctx)
		acting.Policy = &learning.Local{Model: untrained(env), Weights: weights}
	}
	// With the first weights the learner has told the board of an earlier run, whose lives count too.
	if _, _, err := acting.Policy.Values(ctx, make([]float32, env.Observations())); err != nil {
		return err
	}
	life, err := actor.Call(ctx, a.board, (*learning.Board).Begin, actor.Self(ctx))
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "acting", "life", life, "explores", fmt.Sprintf("%.3g%%", 100*a.epsilon))
	r := rand.New(rand.NewPCG(a.cfg.Seed, uint64(a.id+1)<<32|uint64(life)))
	acting.Random, acting.Choose = r, learning.EpsilonGreedy(a.epsilon, r)
	for episode, err := range acting.Episodes(ctx) {
		if err != nil {
			return err
		}
		if err := actor.Do(ctx, a.board, (*learning.Board).Played, learning.Played{Group: "actors", Episode: episode}); err != nil {
			return err
		}
	}
	return nil
}

// Policy evaluates the network for all actors.
type Policy struct {
	collective.Member
	learning.Inference
	task string
}

// Run brings the newest weights.
func (p *Policy) Run(ctx context.Context) error {
	weights, err := collective.NewReader(ctx, p, 0, publication)
	if err != nil {
		return err
	}
	defer weights.Close(ctx)
	return p.Serve(ctx, untrained(tasks[p.task].environment()), weights)
}
