package actor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
)

// How a node takes its turns.

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
		w.end(nil, err)
	}()
	for w.next < w.taken {
		w.inv = &w.batch[w.next]
		who := nobody
		if w.pack == nil {
			m := &w.messages[w.next]
			if who = m.asker; w.node.sys.tracer != nil {
				who = m.arrived()
			}
		}
		w.inv.turn, w.inv.number = w.turnFor(who), w.first+uint64(w.next)
		w.inv.begin()
		if !w.grip.begin() {
			break // the rest was taken from it
		}
		if w.pack != nil {
			w.m = w.pack.message(w.begins + w.next)
		} else if w.m = w.messages[w.next]; w.m.asker != who {
			w.m.asker = who
		}
		w.next++
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
	w.end(result, err)
}

// end ends the message at hand.
func (w *worker) end(result any, err error) {
	w.inv.finish()
	if w.inv.kept && w.m.encoded != nil && w.m.method.arg.kind != codecBytes {
		w.inv.kept = false // what was decoded is not in the encoding's memory
	}
	if w.inv.kept && w.m.encoded != nil {
		w.m.method.keeps.Store(true)
		if w.pack != nil {
			w.pack.kept = true
		}
	}
	w.node.finish(w.inv, &w.m, result, err)
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
	} else if err != nil && !n.isExpendable(m, err) {
		n.sys.failed(m.trace.context(), n, "a tell failed", m.name(), err)
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
	if m.pack != nil {
		for i := m.pack.done; i < m.pack.n; i++ {
			n.discard(m.pack.message(i), err)
		}
		return
	}
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
