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
)

// How a node takes its turns.

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
		inv = &invocation{asker: m.asker, node: n, id: n.sys.nextID()}
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

// runsLocked reports whether the invocation of that id is running: one whose
// method has returned is still active while its sender is told.
func (n *Node) runsLocked(id uint64) bool {
	return slices.ContainsFunc(n.active, func(i *invocation) bool { return i.id == id && !i.over() })
}

func (n *Node) handle(inv *invocation, m *message) {
	if m.account != nil {
		n.sys.tellTaken(m.account, m.size)
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
	result, err = n.invoke(inv, func() (any, error) {
		if m.encoded != nil && m.method.invokeBytes != nil {
			return m.method.invokeBytes(n.value, inv, m.encoded)
		}
		return m.method.invoke(n.value, inv, m.arg)
	})
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
	if err != nil {
		err = n.whyGone(err)
		if m.method != turnMethod {
			n.failures.add(err)
		}
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
	if m.bytes != nil && !inv.kept.Load() {
		n.sys.giveBack(m.bytes)
	}
}

// discard answers a message that will not be handled.
func (n *Node) discard(m message, err error) {
	if m.account != nil {
		n.sys.tellTaken(m.account, m.size)
	}
	n.finish(&invocation{asker: nobody, node: n}, m.asked(), nil, err)
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
