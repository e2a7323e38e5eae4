package actor

import (
	"context"
	"fmt"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// DefaultCapacity is how many messages a mailbox holds before senders wait.
const DefaultCapacity = 1024

// A message waits in a mailbox for its node's turn.
type message struct {
	method *method         // nil: find it by call.Method
	arg    any             // the argument, unless call carries it
	bytes  *[]byte         // pooled memory behind arg, given back after the method
	call   *wire.Call      // as it came over a link
	answer answerer        // who is told the result; nil: nobody
	caller context.Context // whose end ends the method's context; nil: nobody's
	chain  []*wire.Link
	taken  func() // called when the message leaves the mailbox: gives back window
}

// An answerer is told, exactly once, how a message ended.
type answerer interface {
	reply(m *method, result any, err error)
}

// ring is a queue of messages that grows to what it is asked to hold and
// shrinks when it has emptied.
type ring struct {
	buf   []message
	head  int
	count int
}

func (r *ring) push(m message) {
	if r.count == len(r.buf) {
		next := make([]message, max(8, 2*len(r.buf)))
		for i := range r.count {
			next[i] = r.buf[(r.head+i)%len(r.buf)]
		}
		r.buf, r.head = next, 0
	}
	r.buf[(r.head+r.count)%len(r.buf)] = m
	r.count++
}

func (r *ring) pop() message {
	m := r.buf[r.head]
	r.buf[r.head] = message{}
	r.head = (r.head + 1) % len(r.buf)
	r.count--
	if r.count == 0 && len(r.buf) > DefaultCapacity {
		r.buf, r.head = nil, 0
	}
	return m
}

// sender is a local sender for whose message there was no room.
type sender struct {
	m    message
	done chan error // one value: nil when the message is in the mailbox
}

// enqueue puts m into the mailbox. A local message waits for room under ctx;
// one that came over a link has room, for its sender holds window.
func (n *Node) enqueue(ctx context.Context, m message) error {
	n.mu.Lock()
	if err := n.refusesLocked(m.chain); err != nil {
		n.mu.Unlock()
		return err
	}
	if m.call != nil || n.queue.count < n.capacity && len(n.senders) == 0 {
		n.acceptLocked(m)
		n.mu.Unlock()
		return nil
	}
	s := &sender{m: m, done: make(chan error, 1)}
	n.senders = append(n.senders, s)
	n.mu.Unlock()

	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
	}
	n.mu.Lock()
	for i, w := range n.senders {
		if w == s {
			n.senders = append(n.senders[:i], n.senders[i+1:]...)
			n.mu.Unlock()
			return fmt.Errorf("%w: the mailbox of %s stayed full (%d messages): %w", ErrOverloaded, n.key, n.capacity, context.Cause(ctx))
		}
	}
	n.mu.Unlock()
	return <-s.done // it was accepted in the meantime
}

// refusesLocked says why no message with this chain may enter, or nil.
func (n *Node) refusesLocked(chain []*wire.Link) error {
	if n.phase == stopped {
		return fmt.Errorf("%w: %s has stopped", ErrStopped, n.key)
	}
	if len(n.active) < n.limit {
		return nil
	}
	for _, l := range chain {
		if l.Node == n.key && n.active[l.Invocation] != nil {
			return fmt.Errorf("%w: %s → %s, whose turn is taken by the first", ErrDeadlock, chainText(chain), n.key)
		}
	}
	return nil
}

func (n *Node) acceptLocked(m message) {
	n.queue.push(m)
	if n.phase == open && n.workers < n.limit {
		n.workers++
		n.group.Go(n.work)
	}
}

// takeLocked removes the oldest message and lets the longest waiting sender in.
func (n *Node) takeLocked() message {
	m := n.queue.pop()
	if len(n.senders) > 0 && n.queue.count < n.capacity {
		s := n.senders[0]
		n.senders[0] = nil
		n.senders = n.senders[1:]
		n.acceptLocked(s.m)
		s.done <- nil
	}
	return m
}

// Queued is the number of messages in the node's mailbox.
func (n *Node) Queued() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.queue.count
}
