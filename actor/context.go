package actor

import (
	"context"
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
	node   *Node
	id     uint64
	chain  []*wire.Link    // who waits for this invocation, outermost first
	caller context.Context // nil: nobody waits

	kept atomic.Bool // the method keeps the bytes it received

	mu     sync.Mutex
	merged context.Context // made by the first Done
	cancel context.CancelCauseFunc
	unhook func() bool
	waits  []*call // calls that this invocation waits for
}

var _ context.Context = (*invocation)(nil)

func (i *invocation) Deadline() (time.Time, bool) {
	if i.caller != nil {
		return i.caller.Deadline()
	}
	return i.node.ctx.Deadline()
}

func (i *invocation) Done() <-chan struct{} {
	if i.caller == nil || i.caller.Done() == nil {
		return i.node.ctx.Done()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.merged == nil {
		i.merged, i.cancel = context.WithCancelCause(i.node.ctx)
		caller, cancel := i.caller, i.cancel
		i.unhook = context.AfterFunc(caller, func() { cancel(caller.Err()) })
	}
	return i.merged.Done()
}

func (i *invocation) Err() error {
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
	return i.node.ctx.Value(key)
}

// finish lets go of what Done made.
func (i *invocation) finish() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.merged != nil {
		i.unhook()
		i.cancel(context.Canceled)
	}
}

func (i *invocation) link() *wire.Link { return &wire.Link{Node: i.node.key, Invocation: i.id} }

func (i *invocation) waitFor(c *call) {
	i.mu.Lock()
	i.waits = append(i.waits, c)
	i.mu.Unlock()
}

func (i *invocation) waited(c *call) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for k, w := range i.waits {
		if w == c {
			i.waits = append(i.waits[:k], i.waits[k+1:]...)
			return
		}
	}
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
// may touch what the node's methods touch, and returns fn's error. Inside a
// method, whose turn it is already, fn runs at once. The errors wrap
// [ErrStopped], or ctx's when it ended before fn began.
func Turn(ctx context.Context, fn func(context.Context) error) error {
	n := nodeOf(ctx)
	if n == nil {
		return ErrZeroRef
	}
	if invocationOf(ctx) != nil {
		return fn(ctx)
	}
	c := newCall(n.sys, &target{key: n.key}, turnMethod)
	err := n.enqueue(ctx, message{method: turnMethod, arg: fn, answer: c, caller: ctx})
	if err != nil {
		return err
	}
	_, err = c.wait(ctx)
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
