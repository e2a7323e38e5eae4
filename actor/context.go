package actor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

type nodeKey struct{}
type invocationKey struct{}

// An invocation is one running method of a node, and the context it is given:
// its values are the node's, its end is the node's, its caller's or its own,
// whichever comes first. What most methods never ask for is made when asked.
type invocation struct {
	*asker // who waits for it, and is told if the node is replaced while it runs
	node   *Node
	id     uint64
	turn   *invocation // of a batch: the invocation in whose turn it runs
	slot   int         // in the node's list of what runs, guarded by its mu

	kept     atomic.Bool // the method keeps the bytes it received
	finished bool        // the method has returned
	mu       sync.Mutex
	*merger  // nil until it is needed
}

// A merger is what an invocation has where its context's end was asked for, or where it waits.
type merger struct {
	merged  context.Context // made by the first Done
	release func()          // of merged
	waits   []*call         // calls that this invocation waits for
}

var _ context.Context = (*invocation)(nil)

// mergerLocked makes what is needed.
func (i *invocation) mergerLocked() *merger {
	if i.merger == nil {
		i.merger = &merger{}
	}
	return i.merger
}

// context is what the first Done made, or nil.
func (i *invocation) contextLocked() context.Context {
	if i.merger == nil {
		return nil
	}
	return i.merged
}

func (i *invocation) Deadline() (time.Time, bool) {
	if i.caller != nil {
		return i.caller.Deadline()
	}
	return i.node.ctx.Deadline()
}

// Done makes a context of package context, to which others attach without a
// goroutine of their own. See Value.
func (i *invocation) Done() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.mergerLocked().merged == nil {
		i.mergeLocked()
	}
	return i.merged.Done()
}

func (i *invocation) mergeLocked() {
	base, stop := context.WithCancelCause(i.node.ctx)
	i.merged, i.release = base, func() { stop(context.Canceled) }
	if i.finished {
		i.release()
		return
	}
	if i.caller == nil {
		return
	}
	deadline, timed := i.caller.Deadline()
	if timed { // a deadline of its own makes the end DeadlineExceeded, as the caller's is
		limited, stopTimer := context.WithDeadline(base, deadline)
		i.merged, i.release = limited, func() { stop(context.Canceled); stopTimer() }
	}
	caller := i.caller
	unhook := context.AfterFunc(caller, func() {
		if !timed || !errors.Is(caller.Err(), context.DeadlineExceeded) {
			stop(context.Cause(caller))
		}
	})
	release := i.release
	i.release = func() { unhook(); release() }
}

func (i *invocation) Err() error {
	i.mu.Lock()
	merged, finished := i.contextLocked(), i.finished
	i.mu.Unlock()
	switch {
	case merged != nil:
		return merged.Err()
	case finished:
		return context.Canceled
	}
	if i.caller != nil {
		if err := i.caller.Err(); err != nil {
			return err
		}
	}
	return i.node.ctx.Err()
}

func (i *invocation) Value(key any) any {
	if key == (invocationKey{}) {
		return i
	}
	i.mu.Lock()
	merged := i.contextLocked()
	i.mu.Unlock()
	if merged != nil { // where package context looks for the parent to attach to
		return merged.Value(key)
	}
	return i.node.ctx.Value(key)
}

// finish ends the context with the method and lets go of what Done made.
func (i *invocation) finish() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.finished = true
	if i.contextLocked() != nil {
		i.release()
	}
}

func (i *invocation) over() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.finished
}

func (i *invocation) link() *wire.Link { return &wire.Link{Node: i.node.key, Invocation: i.id} }

// waitFor notes that the turn waits for c, for probes of deadlocks to follow.
func (i *invocation) waitFor(c *call) {
	if i.turn != nil {
		i = i.turn
	}
	i.mu.Lock()
	m := i.mergerLocked()
	m.waits = append(m.waits, c)
	i.mu.Unlock()
}

func (i *invocation) isWaiting() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.merger != nil && len(i.waits) > 0
}

func (i *invocation) waited(c *call) {
	if i.turn != nil {
		i = i.turn
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for k, w := range i.waits {
		if w == c {
			i.waits = append(i.waits[:k], i.waits[k+1:]...)
			return
		}
	}
}

// life is the context of Start and Run: ended like a method's, but no turn.
type life struct{ *invocation }

func (l life) Value(key any) any {
	if key == (invocationKey{}) {
		return nil
	}
	return l.invocation.Value(key)
}

func invocationOf(ctx context.Context) *invocation {
	i, _ := ctx.Value(invocationKey{}).(*invocation)
	return i
}

func nodeOf(ctx context.Context) *Node {
	n, _ := ctx.Value(nodeKey{}).(*Node)
	return n
}

// Self is the name of the node whose method, Start, Run or Stop was given
// ctx; empty elsewhere.
func Self(ctx context.Context) string {
	if n := nodeOf(ctx); n != nil {
		return n.key
	}
	return ""
}

// HostOf is the name of the host on which the node of ctx runs; empty elsewhere.
func HostOf(ctx context.Context) string {
	if n := nodeOf(ctx); n != nil {
		return n.host
	}
	return ""
}

// SystemOf is the system in which the node of ctx lives; nil elsewhere.
func SystemOf(ctx context.Context) *System {
	if n := nodeOf(ctx); n != nil {
		return n.sys
	}
	return nil
}

// Actors is the Proto.Actor system of the node of ctx, for programs that
// mix nodes with its own actors; nil elsewhere.
func Actors(ctx context.Context) *protoactor.ActorSystem {
	if s := SystemOf(ctx); s != nil {
		return s.Actors()
	}
	return nil
}

// Turn runs fn in the turn of the node whose Run was given ctx, so that fn
// may touch what the node's methods touch, and returns fn's error, or a
// [PanicError]. Inside a method or Start, whose turn it is already, fn runs at once.
// Otherwise the error wraps [ErrStopped], ctx's error when it ended before fn
// began, or [ErrZeroRef] when ctx is not a node's. Once begun, fn is waited for.
func Turn(ctx context.Context, fn func(context.Context) error) error {
	n := nodeOf(ctx)
	if n == nil {
		return fmt.Errorf("%w: Turn needs the context that a node's Run or method was given", ErrZeroRef)
	}
	if inv := invocationOf(ctx); inv != nil {
		if inv.over() {
			return fmt.Errorf("%w: the method of %s whose context this is has returned", ErrStopped, n.key)
		}
		return fn(ctx)
	}
	var claimed atomic.Bool // by whoever comes first: the turn, or the end of ctx
	turn := func(ctx context.Context) error {
		if !claimed.CompareAndSwap(false, true) {
			return nil
		}
		return fn(ctx)
	}
	c := newCall(n.sys, &target{key: n.key}, turnMethod)
	if err := n.enqueue(ctx, message{method: turnMethod, arg: turn, asker: &asker{answer: c, caller: ctx}}); err != nil {
		return err
	}
	if err := c.await(ctx); err != nil {
		if claimed.CompareAndSwap(false, true) {
			c.abandon(err)
			return err
		}
		<-c.done
	}
	_, err := c.outcome()
	return err
}

// turnMethod stands for a function that [Turn] passes.
var turnMethod = &method{name: "Turn", invoke: func(_ any, ctx context.Context, arg any) (any, error) {
	return nil, arg.(func(context.Context) error)(ctx)
}}

// Keep takes ownership of the []byte that the running method received: without
// it the bytes are valid only until the method returns, after which another
// message may overwrite them.
func Keep(ctx context.Context) {
	if i := invocationOf(ctx); i != nil {
		i.kept.Store(true)
	}
}
