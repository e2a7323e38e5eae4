package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// whichever comes first. Each message has one of its own, for a method may
// leave its context behind; so it is small, and the rest is in its turn.
type invocation struct {
	*turn
	number uint64 // in the node's life
}

// A turn is what goes on while a method runs. Messages for which nobody waits
// use one after the other the same, until somebody asks for more than the next
// could take over: see merger.
type turn struct {
	*asker // who waits for the method, and is told if the node is replaced while it runs
	node   *Node
	within *invocation // of a batch: the invocation in whose turn it runs

	state atomic.Uint64 // the number of the invocation that runs, or would be the next; above its marks
	kept  bool          // the last one has kept its bytes; belongs to the goroutine that ran it, as does spent
	spent bool          // somebody asked: the next invocation needs another turn
	mu    sync.Mutex
	*merger
}

// The marks of the invocation that runs.
const (
	markKept = 1 << iota // the method keeps the bytes it received
	markAsks             // there is a merger
	markBits = iota
)

// A merger is what an invocation has where its context's end was asked for, or where it waits. It is the last of its turn.
type merger struct {
	of      uint64          // its number
	merged  context.Context // made by the first Done
	release func()          // of merged
	waits   []*call         // calls that this invocation waits for
}

var _ context.Context = (*invocation)(nil)

// newInvocation is one with a turn of its own.
func newInvocation(n *Node, a *asker) *invocation {
	return &invocation{turn: &turn{node: n, asker: a}}
}

// begin makes i the one that runs in its turn.
func (i *invocation) begin() {
	if i.over() {
		i.state.Store(i.number << markBits)
	}
	i.kept = false
}

// finish ends the context with the method and lets go of what Done made.
func (i *invocation) finish() {
	state := i.state.Swap((i.number + 1) << markBits)
	if state>>markBits != i.number {
		return // it was over
	}
	i.kept, i.spent = state&markKept != 0, state&markAsks != 0
	if !i.spent {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.merged != nil {
		i.release()
	}
}

// over reports whether the method has returned.
func (i *invocation) over() bool { return i.state.Load()>>markBits != i.number }

// mark sets a mark, unless the method has returned.
func (i *invocation) mark(m uint64) bool {
	for {
		state := i.state.Load()
		if state>>markBits != i.number {
			return false
		}
		if i.state.CompareAndSwap(state, state|m) {
			return true
		}
	}
}

// mergerLocked makes what is needed. It returns nil when the method has returned and nothing was.
func (i *invocation) mergerLocked() *merger {
	switch {
	case i.merger != nil && i.merger.of == i.number:
	case !i.mark(markAsks):
		return nil
	default:
		i.merger = &merger{of: i.number}
	}
	return i.merger
}

// context is what the first Done made, or nil.
func (i *invocation) context() context.Context {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.merger == nil || i.merger.of != i.number {
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
	m := i.mergerLocked()
	if m == nil {
		return closed
	}
	if m.merged == nil {
		i.mergeLocked()
	}
	return m.merged.Done()
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (i *invocation) mergeLocked() {
	base, stop := context.WithCancelCause(i.node.ctx)
	i.merged, i.release = base, func() { stop(context.Canceled) }
	if i.over() {
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
	if merged := i.context(); merged != nil {
		return merged.Err()
	}
	if i.over() {
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
	if t := i.trace; t != nil && t.ctx != nil {
		if v := t.ctx.Value(key); v != nil {
			return v
		}
	}
	if merged := i.context(); merged != nil { // where package context looks for the parent to attach to
		return merged.Value(key)
	}
	return i.node.ctx.Value(key)
}

// link names the invocation to other nodes.
func (i *invocation) link() *wire.Link { return &wire.Link{Node: i.node.key, Invocation: i.number} }

// waitFor notes that the turn waits for c, for probes of deadlocks to follow.
func (i *invocation) waitFor(c *call) {
	if i.within != nil {
		i = i.within
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if m := i.mergerLocked(); m != nil {
		m.waits = append(m.waits, c)
	}
}

// waited ends what waitFor has begun.
func (i *invocation) waited(c *call) {
	if i.within != nil {
		i = i.within
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if m := i.merger; m != nil {
		m.waits = slices.DeleteFunc(m.waits, func(w *call) bool { return w == c })
	}
}

// waitsFor are the calls that the turn waits for.
func (i *invocation) waitsFor() []*call {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.merger == nil {
		return nil
	}
	return slices.Clone(i.waits)
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
	if i, ok := ctx.(*invocation); ok {
		return i
	}
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

// InMethod reports whether ctx is that of a method of a node, or of its Start.
func InMethod(ctx context.Context) bool { return invocationOf(ctx) != nil }

// Stopped reports whether the node of ctx is stopped, or another has its place: nothing reaches it any more.
func Stopped(ctx context.Context) bool {
	n := nodeOf(ctx)
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.phase == stopped || n.gone != nil
}

// RunReturned reports whether the Run of the node of ctx has returned; false for one that has none.
func RunReturned(ctx context.Context) bool {
	n := nodeOf(ctx)
	return n != nil && n.returned.Load()
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
	if err := n.enqueue(ctx, &message{method: turnMethod, arg: turn, asker: &asker{answer: c, caller: ctx, trace: inherited(ctx)}}); err != nil {
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
// message may overwrite them. It has to be called before that. See
// [Config].Encode for how to find a method that has forgotten it.
func Keep(ctx context.Context) {
	if i := invocationOf(ctx); i != nil {
		i.mark(markKept)
	}
}
