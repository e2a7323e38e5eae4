package budgets

import (
	"context"
	"errors"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

type Consumer struct{}

func (*Consumer) Put(context.Context, int) error { return nil }

func noWait(ctx context.Context, ref actor.Ref[*Consumer], sample int) (dropped int) {
	// fragment: if err := actor.Tell(actor.NoWait(ctx), ref, (*Consumer).Put, sample); errors.Is(err, actor.ErrOverloaded) {
	return dropped
}

func build(*tlaunch.Program, struct{}) error { return nil }

// fragment: var star = tlaunch.Define("star", build, tlaunch.Bounded(tlaunch.Bounds{WindowBytes: 16 << 20, MaxMessage: 256 << 20}))
