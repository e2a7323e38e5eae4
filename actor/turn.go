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
	"sync/atomic"
)

// How a node takes its turns.

// batchBytes bounds what a worker takes off a mailbox at once, beside blockSize.
const batchBytes = 64 << 10

// A worker is one of at most limit goroutines that handle a node's messages. It
// takes some at a time, for to lock the mailbox for each costs more than a
// small message does. They stay in the queue while it handles them, so that
// those it has not begun can be taken from it; a node of several workers gives
// each but one.
type worker struct {
	node *Node
	slot int   // in the node's list of those at work, guarded by its mu
	grip grip  // on the batch
	turn *turn // for messages that nobody waits for

	// The batch. Set with the node's mu held, before it can be begun.
	messages []message    // in the queue, at its head
	alone    [1]message   // or this one, which is in no queue any more
	batch    []invocation // one for each message; set when it begins
	first    uint64       // the number of the first

	// The message at hand.
	next    int // place of the one after it
	blind   int // for so many messages nobody who waits for room will find it
	m       message
	inv     *invocation
	calling bool // its method runs

	owedTo *account // whose tells were begun, of which it has not heard
	owed   budget
}

// A grip tells how many messages a worker has taken, in its low half, and how
// many of these it has begun.
type grip struct{ v atomic.Uint64 }

const gripBegun = 1 << 32

func (g *grip) take(n int) { g.v.Store(uint64(n)) }

// begin begins the next message, and reports whether there was one.
func (g *grip) begin() bool {
	v := g.v.Add(gripBegun)
	return v/gripBegun <= v%gripBegun
}

func (g *grip) begun() int {
	v := g.v.Load()
	return int(min(v/gripBegun, v%gripBegun))
}

// release ends the grip, and returns how many were begun, and how many were not: none of one that was released.
func (g *grip) release() (begun, left int) {
	v := g.v.Swap(0)
	taken := v % gripBegun
	begun = int(min(v/gripBegun, taken))
	return begun, int(taken) - begun
}

// isAlone reports whether what the worker has taken is in no queue any more.
func (w *worker) isAlone() bool { return len(w.messages) == 0 || &w.messages[0] == &w.alone[0] }

// begunInQueue is how many of the messages at the head of the queue have begun.
func (w *worker) begunInQueue() int {
	if w.isAlone() {
		return 0
	}
	return w.grip.begun()
}

// isDone reports whether the last method of the batch has returned: the worker is about to take more, even where it is still telling a sender.
func (w *worker) isDone() bool {
	begun := w.grip.begun()
	return begun > 0 && begun >= len(w.messages) && w.batch[begun-1].over()
}

// running is the invocation whose method runs, or nil.
func (w *worker) running() *invocation {
	if begun := w.grip.begun(); begun > 0 {
		if inv := &w.batch[begun-1]; !inv.over() {
			return inv
		}
	}
	return nil
}

// work handles messages until there are none.
func (n *Node) work() {
	w := &worker{node: n, turn: &turn{node: n, asker: nobody}}
	returned := false
	defer func() {
		if !returned { // a method ended the goroutine with runtime.Goexit
			w.pay()
			n.mu.Lock()
			n.retireLocked(w)
			n.group.Go(n.work)
			n.mu.Unlock()
		}
	}()
	for w.take() {
		for !w.run() { // a method has panicked: go on with the next
		}
	}
	returned = true
}

// take gets the worker its next batch. It waits for one, or returns false when
// the goroutine is to end.
func (w *worker) take() bool {
	n := w.node
	w.pay()
	n.mu.Lock()
	if len(w.messages) > 0 {
		n.retireLocked(w)
	}
	n.admitLocked()
	for n.queue.count == 0 || n.phase != open {
		*w = worker{node: n, turn: w.turn} // what it has handled is nobody's any more
		if !n.restLocked() {
			return false
		}
		n.mu.Lock()
	}
	n.giveLocked(w)
	n.mu.Unlock()
	w.batch = make([]invocation, len(w.messages)) // anew: see invocation
	return true
}

// giveLocked gives a worker the oldest messages.
func (n *Node) giveLocked(w *worker) {
	w.next, w.messages = 0, n.queue.run()
	if n.limit > 1 {
		w.alone[0] = w.messages[0]
		n.countOutLocked(&w.alone[0])
		n.queue.drop(1)
		w.messages = w.alone[:]
	}
	for i, bytes := 0, 0; i < len(w.messages); i++ {
		if bytes += w.messages[i].size; bytes > batchBytes {
			w.messages = w.messages[:i+1]
		}
	}
	w.first = n.serial
	n.serial += uint64(len(w.messages))
	w.grip.take(len(w.messages))
	n.workLocked(w)
}

// workLocked puts a worker on the list of those at work, in whose slots each knows its own.
func (n *Node) workLocked(w *worker) {
	w.slot = len(n.active)
	n.active = append(n.active, w)
}

// retireLocked takes a worker off the list of those at work, and what it has
// begun off the queue.
func (n *Node) retireLocked(w *worker) {
	begun, _ := w.grip.release()
	if !w.isAlone() {
		for i := range begun {
			n.countOutLocked(&w.messages[i])
		}
		n.queue.drop(begun)
	}
	last := len(n.active) - 1
	n.active[last].slot = w.slot
	n.active[w.slot] = n.active[last]
	n.active[last] = nil
	n.active = n.active[:last]
}

// countOutLocked ends what a message that has begun takes of the mailbox.
func (n *Node) countOutLocked(m *message) {
	n.flow.pass(m.size)
	if m.reserved {
		n.reserved.remove(m)
	} else {
		n.held.remove(m)
	}
}

// emptyLocked takes all messages that have not begun, and the senders that
// wait, for good: nothing is queued any more.
func (n *Node) emptyLocked() (left []message, senders []*sender) {
	inQueue := 0
	for _, w := range n.active {
		begun, waits := w.grip.release()
		if w.isAlone() {
			left = append(left, w.messages[:waits]...)
			continue
		}
		inQueue = begun
		for i := range begun {
			n.flow.pass(w.messages[i].size)
		}
	}
	left = append(left, n.queue.after(inQueue)...)
	n.queue, n.held, n.reserved = queue{}, budget{}, budget{} // its blocks are left to the worker that may read them
	senders, n.senders = n.senders, nil
	n.crowded.Store(false)
	return left, senders
}

// restLocked is called by a worker without work, with mu held, which it gives
// up. One worker of the node is kept; restLocked returns true when it is woken,
// by a message or by Stop, and false when the goroutine is to end.
func (n *Node) restLocked() bool {
	n.workers--
	n.queue.rest()
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

// runsLocked reports whether the invocation of that number is running: one whose
// method has returned is still active while its sender is told.
func (n *Node) runsLocked(number uint64) bool {
	return slices.ContainsFunc(n.active, func(w *worker) bool {
		inv := w.running()
		return inv != nil && inv.number == number
	})
}

// run handles the batch, and reports false where a method has panicked: then
// there may be more of it.
func (w *worker) run() (done bool) {
	defer func() {
		if !w.calling {
			return
		}
		w.calling = false
		err := errGoexit
		if v := recover(); v != nil {
			err = newPanicError(v, debug.Stack())
		}
		w.inv.finish()
		w.node.finish(w.inv, &w.m, nil, err)
	}()
	for w.next < len(w.messages) {
		m := &w.messages[w.next]
		w.inv = &w.batch[w.next]
		who := m.asker
		if w.node.sys.tracer != nil {
			who = m.arrived()
		}
		w.inv.turn, w.inv.number = w.turnFor(who), w.first+uint64(w.next)
		w.inv.begin()
		if !w.grip.begin() {
			break // the rest was taken from it
		}
		w.next++
		w.m = *m
		if who != m.asker {
			w.m.asker = who
		}
		if w.blind > 1 {
			w.blind--
		} else if w.node.crowded.Load() {
			w.letIn()
		}
		w.handle()
	}
	return true
}

// letIn lets those in who wait for room.
func (w *worker) letIn() {
	n := w.node
	n.mu.Lock()
	w.blind = n.admitLocked()
	n.mu.Unlock()
	if n.limit > 1 {
		w.blind = 0 // others make room as well
	}
}

// owe notes that a tell gives its window back. That is told in sums, but no later than the sender could need it: see tellsTaken. Several
// workers do not gather sums, for each might keep its own while its method runs.
func (w *worker) owe(m *message) {
	if w.owedTo != m.account || m.size > w.node.sys.window.bytes {
		w.pay()
		w.owedTo = m.account
	}
	w.owed.add(m)
	if w.node.limit > 1 || w.owed.isShareOf(w.node.sys.window) {
		w.pay()
	}
}

func (w *worker) pay() {
	if w.owed.messages > 0 {
		w.node.sys.tellsTaken(w.owedTo, w.owed)
	}
	w.owedTo, w.owed = nil, budget{}
}

// turnFor is the turn in which a message is handled.
func (w *worker) turnFor(a *asker) *turn {
	if a != nobody {
		return &turn{node: w.node, asker: a}
	}
	if w.turn.spent {
		w.turn = &turn{node: w.node, asker: nobody}
	}
	return w.turn
}

// handle runs the method that the message at hand means, and tells its sender.
func (w *worker) handle() {
	n, inv, m := w.node, w.inv, &w.m
	if m.account != nil {
		w.owe(m)
	}
	var result any
	err := n.prepare(m)
	if err == nil && m.method.batched {
		b := n.batches[m.method.name]
		if b != nil {
			b.add(inv, *m)
			inv.finish()
			return
		}
		err = n.notBatched(m.method.name)
	}
	if m.trace != nil {
		m.trace.begin(n, m)
	}
	if err == nil && m.asker != nobody {
		err = m.givenUp()
	}
	if err == nil {
		w.calling = true // until the method has returned, run's deferred function is who ends it
		if m.encoded != nil && m.method.invokeBytes != nil {
			result, err = m.method.invokeBytes(n.value, inv, m.encoded)
		} else {
			result, err = m.method.invoke(n.value, inv, m.arg)
		}
		err = sound(err)
		w.calling = false
	}
	inv.finish()
	n.finish(inv, m, result, err)
}

// givenUp says why nobody waits for the message any more, or nil.
func (m *message) givenUp() error {
	if c, ok := m.answer.(*call); ok && c.over() {
		return context.Canceled
	}
	if m.caller != nil {
		return m.caller.Err()
	}
	return nil
}

// prepare finds the method and decodes the argument of a call that came over
// a link, in the node's own goroutine rather than the link's.
func (n *Node) prepare(m *message) (err error) {
	if m.encoded != nil {
		if m.method.invokeBytes == nil || m.method.batched {
			m.arg, err = m.method.arg.decode(m.encoded, n.sys.table)
		}
		return err
	}
	if m.method != nil {
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
	result, err = f()
	return result, sound(err)
}

// tell tells the sender, or for want of one the log.
func (n *Node) tell(m *message, result any, err error) {
	if err != nil {
		err = n.whyGone(err)
		if m.method != turnMethod {
			n.failures.add(err)
		}
	}
	if t := m.trace; t != nil && t.span != nil {
		endSpan(t.span, err)
	}
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
	if m.bytes != nil && !inv.kept {
		n.sys.giveBack(m.bytes)
	}
}

// discard answers a message that will not be handled.
func (n *Node) discard(m message, err error) {
	if m.account != nil {
		n.sys.tellsTaken(m.account, budget{1, m.size})
	}
	n.finish(newInvocation(n, nobody), m.asked(), nil, err)
}

func (m *message) name() string {
	if m.method != nil {
		return m.method.name
	}
	return m.asked().call.GetMethod()
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
