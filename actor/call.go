package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// A Call sends arg to the node that ref names, waits for the method m to run
// in its turn, and returns what it returned. m is a method expression of T:
//
//	total, err := actor.Call(ctx, ref, (*Consumer).Add, 3)
//
// An error that the method returned, and every reason why there is no result,
// is an [*Error] or wraps one of the package's sentinels, ctx's error included.
// A []byte in arg is read until Call returns.
func Call[T, A, R any](ctx context.Context, ref Ref[T], m func(T, context.Context, A) (R, error), arg A) (R, error) {
	return resultOf[R](request(ctx, ref.target, callMethod(m), argumentOf(arg)))
}

// Call0 is [Call] for a method without argument.
func Call0[T, R any](ctx context.Context, ref Ref[T], m func(T, context.Context) (R, error)) (R, error) {
	return resultOf[R](request(ctx, ref.target, call0Method(m), argument{}))
}

// Do is [Call] for a method that returns only an error.
func Do[T, A any](ctx context.Context, ref Ref[T], m func(T, context.Context, A) error, arg A) error {
	_, err := request(ctx, ref.target, doMethod(m), argumentOf(arg))
	return err
}

// Do0 is [Do] for a method without argument.
func Do0[T any](ctx context.Context, ref Ref[T], m func(T, context.Context) error) error {
	_, err := request(ctx, ref.target, do0Method(m), argument{})
	return err
}

// CallBatched is [Call] with one element of a method that the node has
// declared with [Batched].
func CallBatched[T, A, R any](ctx context.Context, ref Ref[T], m func(T, context.Context, []A) ([]R, error), arg A) (R, error) {
	return resultOf[R](request(ctx, ref.target, batchMethod(m), argumentOf(arg)))
}

// Tell sends arg without waiting for the method; a copy has been taken when
// Tell returns. Its error says why the message could not be sent: later ones,
// the method's own included, are counted and logged where the node lives.
//
// Tell waits while the node's mailbox is full, under ctx. In a method of a
// node, whose turn it holds up, it waits for at most 30 seconds unless ctx has
// a deadline. The error then wraps [ErrOverloaded] and names the chain.
func Tell[T, A any](ctx context.Context, ref Ref[T], m func(T, context.Context, A) error, arg A) error {
	return tell(ctx, ref.target, doMethod(m), argumentOf(arg))
}

// Tell0 is [Tell] for a method without argument.
func Tell0[T any](ctx context.Context, ref Ref[T], m func(T, context.Context) error) error {
	return tell(ctx, ref.target, do0Method(m), argument{})
}

// Go sends like [Call] and returns at once with a future of the result. The
// message has its place in the node's mailbox when Go returns, so the order
// of several is that of the statements; a copy of arg has been taken.
// Ending ctx cancels the call.
func Go[T, A, R any](ctx context.Context, ref Ref[T], m func(T, context.Context, A) (R, error), arg A) *Future[R] {
	return goCall[R](ctx, ref.target, callMethod(m), argumentOf(arg))
}

// Go0 is [Go] for a method without argument.
func Go0[T, R any](ctx context.Context, ref Ref[T], m func(T, context.Context) (R, error)) *Future[R] {
	return goCall[R](ctx, ref.target, call0Method(m), argument{})
}

// GoDo is [Go] for a method that returns only an error.
func GoDo[T, A any](ctx context.Context, ref Ref[T], m func(T, context.Context, A) error, arg A) *Future[struct{}] {
	return goCall[struct{}](ctx, ref.target, doMethod(m), argumentOf(arg))
}

// GoDo0 is [GoDo] for a method without argument.
func GoDo0[T any](ctx context.Context, ref Ref[T], m func(T, context.Context) error) *Future[struct{}] {
	return goCall[struct{}](ctx, ref.target, do0Method(m), argument{})
}

// A Future is the result of a call under way.
type Future[R any] struct {
	call   *call
	cancel context.CancelFunc
}

func goCall[R any](ctx context.Context, t *target, m *method, arg argument) *Future[R] {
	ctx, cancel := context.WithCancel(ctx)
	c, err := submit(ctx, t, m, arg)
	if err != nil {
		c = newCall(nil, t, m)
		c.settle(nil, err)
	}
	unhook := context.AfterFunc(ctx, func() { c.abandon(ended(ctx)) })
	c.onSettled(func() { unhook(); cancel() })
	return &Future[R]{call: c, cancel: cancel}
}

// Done is closed when the result is there.
func (f *Future[R]) Done() <-chan struct{} { return f.call.done }

// Wait returns the result, or ctx's error when it ends first; the call then
// goes on, and Wait may be called again.
func (f *Future[R]) Wait(ctx context.Context) (R, error) {
	if err := f.call.await(ctx); err != nil {
		var zero R
		return zero, err
	}
	return resultOf[R](f.call.outcome())
}

// Cancel ends the call: Wait returns [context.Canceled], unless the result
// was there before, and the method's context ends.
func (f *Future[R]) Cancel() { f.cancel() }

func resultOf[R any](v any, err error) (R, error) {
	r, _ := v.(R)
	return r, err
}

func request(ctx context.Context, t *target, m *method, arg argument) (any, error) {
	c, err := submit(ctx, t, m, arg)
	if err != nil {
		return nil, err
	}
	return c.wait(ctx)
}

// check finds the system to send by and refuses what cannot be sent.
func check(t *target, m *method) (*System, error) {
	if m.err != nil {
		return nil, m.err
	}
	if t == nil {
		return nil, fmt.Errorf("%w: calling %s", ErrZeroRef, m.name)
	}
	return t.system()
}

// chainFor is the chain of a message sent under ctx.
func chainFor(inv *invocation, t *target, m *method) ([]*wire.Link, error) {
	if inv == nil {
		return nil, nil
	}
	if len(inv.chain) >= maxChain {
		return nil, fmt.Errorf("%w: %s → %s.%s is longer than %d", ErrDeadlock, chainText(inv.chain), t.key, m.name, maxChain)
	}
	chain := make([]*wire.Link, len(inv.chain)+1)
	copy(chain, inv.chain)
	chain[len(inv.chain)] = inv.link()
	return chain, nil
}

const maxChain = 16

func chainText(chain []*wire.Link) string {
	names := make([]string, len(chain))
	for i, l := range chain {
		names[i] = l.Node
	}
	return strings.Join(names, " → ")
}

// submit sends a message whose sender waits for the result.
func submit(ctx context.Context, t *target, m *method, arg argument) (*call, error) {
	sys, err := check(t, m)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	chain, err := chainFor(invocationOf(ctx), t, m)
	if err != nil {
		return nil, err
	}
	c := newCall(sys, t, m)
	c.asker.trace = sys.depart(ctx, t, m, trace.SpanKindClient)
	if err := c.send(ctx, arg, chain); err != nil {
		if c.asker.trace != nil {
			c.settle(nil, err) // with which its span ends
		}
		return nil, err
	}
	return c, nil
}

// send gives the call's message to its node, or to the way there.
func (c *call) send(ctx context.Context, arg argument, chain []*wire.Link) error {
	sys, t, m := c.sys, c.target, c.method
	if n := sys.local(t); n != nil {
		c.asker = asker{answer: c, caller: ctx, chain: chain, trace: c.asker.trace}
		msg := message{method: m, asker: &c.asker}
		if err := sys.load(n, &msg, arg); err != nil {
			return err
		}
		return n.enqueue(ctx, &msg)
	}
	return sys.sendCall(ctx, c, arg, chain)
}

// tellPatience is how long a Tell in a method waits by itself.
const tellPatience = 30 * time.Second

func tell(ctx context.Context, t *target, m *method, arg argument) error {
	sys, err := check(t, m)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	along := sys.depart(ctx, t, m, trace.SpanKindProducer)
	inv := invocationOf(ctx)
	if inv != nil {
		if _, ok := ctx.Deadline(); ok {
			inv = nil
		}
	}
	if inv == nil {
		err = sys.tell(ctx, t, m, arg, along)
	} else {
		err = sys.tellPatiently(ctx, inv, t, m, arg, along)
	}
	along.sent(err)
	return err
}

// tellPatiently tells for a method without a deadline, which waits for as long as that may.
func (sys *System) tellPatiently(ctx context.Context, inv *invocation, t *target, m *method, arg argument, along *traced) error {
	err := sys.tell(noPatience, t, m, arg, along) // mostly there is room, and a timer costs more than all else
	if !errors.Is(err, errNoPatience) {
		return err
	}
	chain, _ := chainFor(inv, t, m)
	why := fmt.Errorf("waited %v along %s → %s", tellPatience, chainText(chain), t.key)
	ctx, cancel := context.WithTimeoutCause(ctx, tellPatience, why)
	defer cancel()
	return sys.tell(ctx, t, m, arg, along)
}

func (sys *System) tell(ctx context.Context, t *target, m *method, arg argument, along *traced) error {
	if n := sys.local(t); n != nil {
		msg := message{method: m}
		if along != nil {
			msg.asker = &asker{trace: along}
		}
		if err := sys.load(n, &msg, arg); err != nil {
			return err
		}
		return n.enqueue(ctx, &msg)
	}
	return sys.sendTell(ctx, t, m, arg, along)
}

// load gives msg, which goes to n, a value of its own. A ref may carry a type
// that is not the node's, as one that came from a process with other types:
// then the message means the method of that name, as it would across a link.
func (s *System) load(n *Node, msg *message, arg argument) (err error) {
	m := msg.method
	c := m.arg
	if !n.is(m.recv) {
		call := &wire.Call{Method: m.name, Signature: m.hash, Batched: m.batched}
		if c != nil {
			if call.Argument, err = c.encodeArgument(arg); err != nil {
				return err
			}
			call.Argument = slices.Clone(call.Argument)
		}
		a := *msg.asked().asker
		a.call = call
		msg.method, msg.asker, msg.size = nil, &a, len(call.Argument)
		return nil
	}
	switch {
	case c == nil:
		return nil
	case c.kind == codecBytes && len(arg.bytes) <= smallBytes && arg.room == nil && !s.encode:
		msg.encoded, msg.shared, msg.size = arg.bytes, true, len(arg.bytes)
		if arg.bytes == nil {
			msg.encoded = []byte{}
		}
	case c.kind == codecBytes:
		if msg.bytes = arg.room; msg.bytes == nil {
			msg.bytes = borrow(arg.bytes)
		}
		msg.encoded, msg.size = *msg.bytes, len(arg.bytes)
	case !s.encode && c.flat && c.err == nil:
		msg.arg, msg.size = arg.value, c.bytes
	default:
		msg.arg, msg.size, err = c.copy(arg.value, s.table, s.encode)
	}
	return err
}
