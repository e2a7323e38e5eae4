package actor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// A Starter does its heavy work before the first message.
type Starter interface{ Start(context.Context) error }

// A Runner is active of its own: a program ends when every Run has returned.
type Runner interface{ Run(context.Context) error }

// A Stopper is told, once, that its node ends.
type Stopper interface{ Stop(context.Context) error }

// A Spec describes a node to its system.
type Spec struct {
	Key        string  // label/number; required
	Host       string  // the name of its host, for errors and logs; empty: the system's
	Value      any     // whose methods are called; required
	Concurrent int     // methods that may run at once; zero and less: 1
	Capacity   int     // messages a mailbox holds before local senders wait; zero and less: DefaultCapacity
	Batches    []Batch // methods that take many calls at once
}

type phase uint8

const (
	created phase = iota // messages gather
	open                 // messages are handled
	stopped              // messages are refused
)

// A Node is a value that handles messages in its turn.
type Node struct {
	sys      *System
	key      string
	host     string
	value    any
	typ      reflect.Type
	limit    int
	capacity int
	batches  map[string]*batcher
	ctx      context.Context
	cancel   context.CancelCauseFunc
	group    sync.WaitGroup // of workers

	mu       sync.Mutex
	phase    phase
	queue    ring
	reserved int // of the queue, those that need no room
	senders  []*sender
	workers  int           // goroutines that handle messages
	parked   bool          // one more waits for work: starting anew costs more than the work
	wake     chan struct{} // to the parked one
	active   []*invocation // at most limit
	watchers map[string]*protoactor.PID
	drained  []chan struct{} // closed when there is nothing to do
	ended    chan struct{}   // closed when Stop has done its work
}

// Key is the node's name.
func (n *Node) Key() string { return n.key }

// Start runs the value's Start, if it has one, and then opens the mailbox.
// The error is that of the value's Start, a [PanicError], or wraps
// [ErrStopped]. A node whose Start failed stays closed until it is stopped.
func (n *Node) Start(ctx context.Context) error {
	if s, ok := n.value.(Starter); ok {
		if err := n.live(ctx, s.Start); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != created {
		return fmt.Errorf("%w: %s was started or stopped before", ErrStopped, n.key)
	}
	n.phase = open
	for n.workers < min(n.limit, n.queue.count) {
		n.workers++
		n.group.Go(n.work)
	}
	return nil
}

// Active reports whether the value has a Run.
func (n *Node) Active() bool {
	_, ok := n.value.(Runner)
	return ok
}

// Run runs the value's Run and returns its error, or a [PanicError].
// The context given to it ends with ctx and with the node.
func (n *Node) Run(ctx context.Context) error {
	if r, ok := n.value.(Runner); ok {
		return n.live(ctx, r.Run)
	}
	return nil
}

// live calls a life-cycle method: outside of messages, with the node's values.
func (n *Node) live(ctx context.Context, f func(context.Context) error) (err error) {
	i := &invocation{node: n, caller: ctx}
	defer i.finish()
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v, debug.Stack())
		}
	}()
	return f(life{i})
}

// Interrupt ends the contexts of the node's methods and Run. Messages go on
// being handled.
func (n *Node) Interrupt(cause error) { n.cancel(cause) }

// Drain waits, under ctx, until the mailbox is empty and no method runs.
// Messages may come while it waits and after.
func (n *Node) Drain(ctx context.Context) error {
	done := make(chan struct{})
	n.mu.Lock()
	n.drained = append(n.drained, done)
	n.tellDrainedLocked()
	n.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %d messages are left: %w", n.key, n.Queued(), ctx.Err())
	}
}

func (n *Node) tellDrainedLocked() {
	if n.workers == 0 && (n.queue.count == 0 || n.phase == stopped) {
		for _, c := range n.drained {
			close(c)
		}
		n.drained = nil
	}
}

// Stop ends the node: queued messages are answered with [ErrStopped], running
// methods are interrupted and waited for under ctx, then the value's Stop
// runs once, if the node had been opened. Stop returns its error, or ctx's
// when methods did not return. Stopping again waits for the first, under ctx.
func (n *Node) Stop(ctx context.Context) error {
	n.mu.Lock()
	if n.phase == stopped {
		n.mu.Unlock()
		select {
		case <-n.ended:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s: is still stopping: %w", n.key, ctx.Err())
		}
	}
	defer close(n.ended)
	opened := n.phase == open
	n.phase = stopped
	if n.parked {
		n.wakeLocked()
	}
	left := make([]message, 0, n.queue.count)
	for n.queue.count > 0 {
		left = append(left, n.queue.pop())
	}
	n.reserved = 0
	n.tellDrainedLocked()
	senders := n.senders
	n.senders = nil
	watchers := n.watchers
	n.watchers = nil
	n.mu.Unlock()

	reason := fmt.Errorf("%w: %s has stopped", ErrStopped, n.key)
	for _, b := range n.batches {
		left = append(left, b.close()...)
	}
	for _, m := range left {
		n.discard(m, reason)
	}
	for _, s := range senders {
		s.answer(reason)
	}
	n.cancel(reason)
	idle := make(chan struct{})
	go func() { // ends with the methods, which nothing else can end
		n.group.Wait()
		close(idle)
	}()
	var err error
	select {
	case <-idle:
	case <-ctx.Done():
		err = fmt.Errorf("%s: a method has not returned: %w", n.key, ctx.Err())
	}
	n.sys.forget(n)
	for _, w := range watchers {
		n.sys.terminated(w, n.key)
	}
	if s, ok := n.value.(Stopper); ok && opened && err == nil {
		err = n.stopValue(ctx, s)
	}
	return err
}

// stopValue gives Stop the node's values but not its ended context.
func (n *Node) stopValue(ctx context.Context, s Stopper) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v, debug.Stack())
		}
	}()
	return s.Stop(context.WithValue(ctx, nodeKey{}, n))
}

// work handles messages until there are none. It is one of at most limit
// goroutines of the node that do.
func (n *Node) work() {
	var inv *invocation
	returned := false
	defer func() {
		if !returned { // a method ended the goroutine with runtime.Goexit
			n.replace(inv)
		}
	}()
	for {
		n.mu.Lock()
		if inv != nil {
			n.retireLocked(inv)
		}
		if n.queue.count == 0 || n.phase != open {
			if !n.restLocked() {
				returned = true
				return
			}
			inv = nil
			continue
		}
		m := n.takeLocked()
		inv = &invocation{node: n, id: n.sys.nextID(), chain: m.chain, caller: m.caller}
		inv.slot = len(n.active)
		n.active = append(n.active, inv)
		n.mu.Unlock()
		n.handle(inv, &m)
	}
}

// restLocked is called by a worker without work, with mu held, which it gives
// up. One worker of the node is kept; restLocked returns true when it is woken,
// by a message or by Stop, and false when the goroutine is to end.
func (n *Node) restLocked() bool {
	n.workers--
	n.tellDrainedLocked()
	park := n.phase == open && !n.parked
	n.parked = n.parked || park
	n.mu.Unlock()
	if park {
		<-n.wake
	}
	return park
}

// wakeLocked sends the parked worker to its next message, or home.
func (n *Node) wakeLocked() {
	n.parked = false
	n.workers++
	n.wake <- struct{}{} // has room for the one that was parked
}

// replace takes the place of a worker that was ended in a method.
func (n *Node) replace(inv *invocation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.retireLocked(inv)
	n.group.Go(n.work)
}

// retireLocked takes inv off the list of what runs, in whose slots each knows its own.
func (n *Node) retireLocked(inv *invocation) {
	last := len(n.active) - 1
	n.active[last].slot = inv.slot
	n.active[inv.slot] = n.active[last]
	n.active[last] = nil
	n.active = n.active[:last]
}

// runsLocked reports whether the invocation of that id is running.
func (n *Node) runsLocked(id uint64) bool {
	return slices.ContainsFunc(n.active, func(i *invocation) bool { return i.id == id })
}

func (n *Node) handle(inv *invocation, m *message) {
	if m.taken != nil {
		m.taken()
	}
	if err := n.prepare(m); err != nil {
		n.finish(inv, m, nil, err)
		return
	}
	if m.method.batched {
		if b := n.batches[m.method.name]; b != nil {
			b.add(inv, *m)
		} else {
			n.finish(inv, m, nil, n.notBatched(m.method.name))
		}
		return
	}
	if c, ok := m.answer.(*call); ok && c.over() {
		n.finish(inv, m, nil, context.Canceled) // nobody waits any more
		return
	}
	if inv.caller != nil && inv.caller.Err() != nil {
		n.finish(inv, m, nil, inv.caller.Err())
		return
	}
	result, err := any(nil), errGoexit
	defer func() { n.finish(inv, m, result, err) }()
	result, err = n.invoke(inv, func() (any, error) { return m.method.invoke(n.value, inv, m.arg) })
}

// prepare finds the method and decodes the argument of a call that came over
// a link, in the node's own goroutine rather than the link's.
func (n *Node) prepare(m *message) error {
	if m.call == nil {
		return nil
	}
	md, err := n.methodFor(m.call.Method, m.call.Batched)
	if err != nil {
		return err
	}
	if m.call.Signature != md.hash {
		return fmt.Errorf("%w: %v.%s", ErrSignature, n.typ, md.name)
	}
	m.method = md
	if md.arg != nil {
		m.arg, err = md.arg.decode(m.call.Argument, n.sys.table)
	}
	return err
}

func (n *Node) methodFor(name string, batched bool) (*method, error) {
	if !batched {
		return resolveMethod(n.typ, name)
	}
	if b := n.batches[name]; b != nil {
		return b.method, nil
	}
	return nil, n.notBatched(name)
}

// is reports whether methods of t can be called on the node's value.
func (n *Node) is(t reflect.Type) bool {
	return t == n.typ || t != nil && t.Kind() == reflect.Interface && n.typ.Implements(t)
}

func (n *Node) notBatched(name string) error {
	return fmt.Errorf("%w: %s of %v is not batched; add the node with Batched", ErrNoMethod, name, n.typ)
}

// errGoexit is the result of a method that did not return.
var errGoexit = fmt.Errorf("%w: the method ended its goroutine (runtime.Goexit)", ErrPanic)

func (n *Node) invoke(inv *invocation, f func() (any, error)) (result any, err error) {
	defer inv.finish()
	defer func() {
		if v := recover(); v != nil {
			result, err = nil, newPanicError(v, debug.Stack())
		}
	}()
	return f()
}

// tell tells the sender, or for want of one the log.
func (n *Node) tell(m *message, result any, err error) {
	if m.answer != nil {
		if err != nil && m.method != turnMethod {
			err = n.describe(m, err)
		}
		m.answer.reply(m.method, result, err)
	} else if err != nil {
		n.sys.failedTell(n, m.name(), err)
	}
}

// finish tells the sender and gives back what the message held, in this
// order: the result may be part of the argument.
func (n *Node) finish(inv *invocation, m *message, result any, err error) {
	n.tell(m, result, err)
	n.giveBack(inv, m)
}

func (n *Node) giveBack(inv *invocation, m *message) {
	if m.bytes != nil && !inv.kept.Load() {
		n.sys.giveBack(m.bytes)
	}
}

// discard answers a message that will not be handled.
func (n *Node) discard(m message, err error) {
	if m.taken != nil {
		m.taken()
	}
	n.finish(&invocation{node: n}, &m, nil, err)
}

func (m *message) name() string {
	if m.method != nil {
		return m.method.name
	}
	return m.call.GetMethod()
}

// describe turns what a method returned into what its caller sees.
func (n *Node) describe(m *message, err error) *Error {
	e := &Error{Code: codeOf(err), Node: n.key, Host: n.host, Method: m.name(), Text: err.Error()}
	var p *PanicError
	if errors.As(err, &p) {
		e.Code, e.Stack = codeOf(ErrPanic), p.Stack
	}
	var inner *Error
	if errors.As(err, &inner) {
		e.Stack = inner.Stack
	}
	return e
}

// poison overwrites bytes that their method did not keep, so that a test run
// in encoding mode shows who went on reading them.
func poison(b []byte) { copy(b, bytes.Repeat([]byte{0xDB}, len(b))) }

func (n *Node) logger() *slog.Logger { return n.sys.logger.With("node", n.key) }
