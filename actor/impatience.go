package actor

import (
	"context"
	"errors"
)

// Who will not wait for room.

type impatience struct{}

// NoWait is ctx for a sender who will not wait for room: where the mailbox, the window or the queue of the link has none, [Tell], [Call]
// and the others return at once with an error that wraps [ErrOverloaded], and nothing was sent. All else stays as it is: a link that is
// being made is waited for under ctx, and so is the result of a call.
//
//	err := actor.Tell(actor.NoWait(ctx), ref, (*Consumer).Put, sample)
func NoWait(ctx context.Context) context.Context {
	return context.WithValue(ctx, impatience{}, errNoWait)
}

// Impatient is for transports: it says why whoever sends under ctx will not wait for room (see [NoWait]), or returns nil.
func Impatient(ctx context.Context) error { return impatient(ctx) }

var errNoWait = errors.New("the sender does not wait")

func impatient(ctx context.Context) error {
	if ctx == noPatience {
		return errNoPatience
	}
	err, _ := ctx.Value(impatience{}).(error)
	return err
}

// errNoPatience is the cause with which noPatience ends a wait.
var errNoPatience = errors.New("actor: there is no room at once")

// noPatience is a context under which nobody waits, for nothing: whoever finds that there is no room may try again with patience.
var noPatience = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errNoPatience)
	return ctx
}()
