package actor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"

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
	Key        string // label/number; required
	Host       string // the name of its host, for errors and logs; empty: the system's
	Value      any    // whose methods are called; required
	Concurrent int    // methods that may run at once; zero and less: 1
	Capacity   int    // messages a mailbox holds before local senders wait; zero and less: DefaultCapacity
	// Bytes is the same for the size of their arguments: one that does not fit waits unless less than a quarter is taken. Zero and less:
	// DefaultBytes.
	Bytes   int
	Batches []Batch // methods that take many calls at once
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
	spec     Spec
	process  *nodeProcess
	key      string
	host     string
	value    any
	typ      reflect.Type
	limit    int
	capacity budget
	batches  map[string]*batcher
	ctx      context.Context
	cancel   context.CancelCauseFunc
	group    sync.WaitGroup // of workers, Run, and the methods of streams
	opened   chan struct{}  // closed when messages are handled

	bound     sync.Map    // *method → func(context.Context, []byte) error: see bind
	forgotten atomic.Bool // it has stopped, and is in no registry any more
	returned  atomic.Bool // its Run has
	failures  failures
	crowded   atomic.Bool // there are senders: whoever begins a message lets them in
	stuck     atomic.Bool // a link has waited for room in vain, and found none since

	mu       sync.Mutex
	phase    phase
	unopened bool  // it was stopped before it was open
	gone     error // another has its place: why it takes no more
	queue    queue
	held     budget // by the queue, of senders in this process
	reserved budget // and of what needed no room
	serial   uint64 // number of the next message that begins
	arena    []byte // what is left of the memory for small arguments
	senders  []*sender
	flow     flow
	workers  int           // goroutines that handle messages
	parked   bool          // one more waits for work: starting anew costs more than the work
	wake     chan struct{} // to the parked one
	active   []*worker     // those with a batch: at most limit
	watchers map[string]*protoactor.PID
	drained  []chan struct{} // closed when there is nothing to do
	ended    chan struct{}   // closed when Stop has done its work
}

// Key is the node's name.
func (n *Node) Key() string { return n.key }

// Start runs the value's Start, if it has one, and then opens the mailbox.
// The error is that of the value's Start, a [PanicError], or wraps
// [ErrStopped]. A node whose Start failed stays closed until it is stopped.
// One that is stopped while its value's Start runs never opens; the value's Stop then follows its Start.
func (n *Node) Start(ctx context.Context) error {
	if s, ok := n.value.(Starter); ok {
		if err := n.startValue(ctx, s); err != nil {
			return err
		}
	}
	if n.opens() {
		return nil
	}
	err := fmt.Errorf("%w: %s was started or stopped before", ErrStopped, n.key)
	if s, ok := n.value.(Stopper); ok && n.stoppedEarly() {
		err = errors.Join(err, n.stopValue(context.WithoutCancel(ctx), s))
	}
	return err
}

// stoppedEarly reports whether the node was stopped before it was open, so that nobody has called its value's Stop.
func (n *Node) stoppedEarly() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.phase == stopped && n.unopened
}

// opens lets messages in, and reports whether the node may have any.
func (n *Node) opens() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != created {
		return false
	}
	n.phase = open
	close(n.opened)
	for n.workers < min(n.limit, n.queue.count) {
		n.workers++
		n.group.Go(n.work)
	}
	return true
}

// startValue runs the value's Start as the node's first turn, so that a call
// which would wait for it is found as any other.
func (n *Node) startValue(ctx context.Context, s Starter) (err error) {
	i := newInvocation(n, &asker{caller: ctx})
	w := &worker{node: n}
	n.mu.Lock()
	i.number = n.serial
	n.serial++
	i.begin()
	w.batch = []invocation{*i}
	w.grip.take(1)
	w.grip.begin()
	n.workLocked(w)
	n.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v, debug.Stack())
		}
		i.finish()
		n.mu.Lock()
		n.retireLocked(w)
		n.mu.Unlock()
	}()
	return sound(s.Start(i))
}

// Active reports whether the value has a Run.
func (n *Node) Active() bool {
	_, ok := n.value.(Runner)
	return ok
}

// Run runs the value's Run and returns its error, or a [PanicError].
// The context given to it ends with ctx and with the node; of a node that has
// stopped it is not run, which is [ErrStopped].
func (n *Node) Run(ctx context.Context) error {
	r, ok := n.value.(Runner)
	if !ok {
		return nil
	}
	n.mu.Lock()
	if n.phase == stopped {
		n.mu.Unlock()
		return fmt.Errorf("%w: %s was stopped before", ErrStopped, n.key)
	}
	n.group.Add(1)
	n.mu.Unlock()
	defer n.group.Done()
	n.returned.Store(false)
	defer n.returned.Store(true)
	return n.live(ctx, r.Run)
}

// live calls a life-cycle method: outside of messages, with the node's values.
func (n *Node) live(ctx context.Context, f func(context.Context) error) (err error) {
	i := newInvocation(n, &asker{caller: ctx})
	defer i.finish()
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v, debug.Stack())
		}
	}()
	return sound(f(life{i}))
}

// Interrupt ends the contexts of the node's methods and Run. Messages go on
// being handled.
func (n *Node) Interrupt(cause error) { n.cancel(cause) }

// Drain waits, under ctx, until the mailbox is empty and no method runs;
// batches that gather are not waited for but run as they are. Messages may
// come while it waits and after.
func (n *Node) Drain(ctx context.Context) error {
	for looked := len(n.batches) == 0; ; {
		if err := n.awaitIdle(ctx); err != nil || looked {
			return err
		}
		looked = true // once more: a batch whose wait was over may have begun just before, and gathers no more
		for _, b := range n.batches {
			if b.hurry() {
				looked = false
			}
		}
	}
}

// awaitIdle waits until the mailbox is empty and no method runs.
func (n *Node) awaitIdle(ctx context.Context) error {
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
// methods and Run are interrupted and waited for under ctx, then the value's
// Stop runs once, if the node had been opened. Stop returns its error, or ctx's
// when they did not return. Stopping again waits for the first, under ctx.
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
	n.unopened = n.phase == created
	n.phase = stopped
	if n.parked {
		n.wakeLocked()
	}
	left, senders := n.emptyLocked()
	n.tellDrainedLocked()
	watchers := n.watchers
	n.watchers = nil
	n.mu.Unlock()

	reason := n.goneOr(fmt.Errorf("%w: %s has stopped", ErrStopped, n.key))
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
		err = fmt.Errorf("%s: a method, or Run, has not returned: %w", n.key, ctx.Err())
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
	return sound(s.Stop(context.WithValue(ctx, nodeKey{}, n)))
}
