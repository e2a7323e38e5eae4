package learning

import (
	"context"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/learning"
	"github.com/tartrl/tlaunch-go/topology/collective"
	"github.com/tartrl/tlaunch-go/transmit"
)

func counters(ctx context.Context, board actor.Ref[*learning.Board], episode learning.Episode, number uint64) {
	// fragment: err := actor.Do(ctx, board, (*learning.Board).Played, learning.Played{Group: "actors", Episode: episode})
	_ = err
}

type Policy struct {
	collective.Member
	learning.Inference
}

var model learning.Model

// fragment: func (p *Policy) Run(ctx context.Context) error {

func remote(p *tlaunch.Program, actors []int) {
	// fragment: ref := tlaunch.Add(p, "policy", &Policy{}, tlaunch.Batched((*Policy).Evaluate, len(actors), 2*time.Millisecond))
	_ = policy
}

type State struct{}

func keep(ctx context.Context, data transmit.Ref, state State) {
	// fragment: kept := transmit.Register[State]{Node: data, Name: "learner"}
	_, _, _ = state, version, err
}
