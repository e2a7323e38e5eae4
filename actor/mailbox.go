package actor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// DefaultCapacity is how many messages a mailbox holds before senders wait.
const DefaultCapacity = 1024

// A message waits in a mailbox for its node's turn. It is copied about, and
// looked through by the garbage collector, so it is kept small.
type message struct {
	*asker             // who waits for it; nil until it is queued: nobody
	method  *method    // nil: find it by call.Method
	arg     any        // the argument, unless call or encoded carries it
	encoded []byte     // the argument's encoding; not nil where there is one
	bytes   *[]byte    // lent memory behind arg or encoded, given back after the method
	call    *wire.Call // as it came over a link, unless it came as a parcel
	account *account   // of a tell from another process: gets its window back when the message leaves the mailbox
	size    int        // of the argument's encoding, for account
	// reserved messages need no room: their sender holds window, or they are
	// the node's own.
	reserved bool
}

// An asker is what a message that somebody waits for has beside it.
type asker struct {
	answer answerer        // who is told the result; nil: nobody
	caller context.Context // whose end ends the method's context; nil: nobody's
	chain  []*wire.Link    // who waits, outermost first
}

// length is that of the argument's encoding, where it has one.
func (m *message) length() int {
	if m.call != nil {
		return len(m.call.Argument)
	}
	return len(m.encoded)
}

// nobody waits for most messages.
var nobody = &asker{}

// asked is m with its asker.
func (m *message) asked() *message {
	if m.asker == nil {
		m.asker = nobody
	}
	return m
}

// An answerer is told, exactly once, how a message ended.
type answerer interface {
	reply(m *method, result any, err error)
}

// ring is a queue of messages that grows to what it is asked to hold and
// shrinks when it has emptied.
type ring struct {
	buf   []message // its length is a power of two
	head  int
	count int
}

func (r *ring) push(m *message) {
	if r.count == len(r.buf) {
		next := make([]message, max(8, 2*len(r.buf)))
		for i := range r.count {
			next[i] = r.buf[(r.head+i)&(len(r.buf)-1)]
		}
		r.buf, r.head = next, 0
	}
	r.buf[(r.head+r.count)&(len(r.buf)-1)] = *m
	r.count++
}

func (r *ring) pop() message {
	m := r.buf[r.head]
	r.buf[r.head] = message{}
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.count--
	if r.count == 0 && len(r.buf) > DefaultCapacity {
		r.buf, r.head = nil, 0
	}
	return m
}

// sender is a local sender for whose message there was no room.
type sender struct {
	m    message
	done chan struct{} // closed when the message is in the mailbox or refused
	err  error         // valid after done
}

func (s *sender) answer(err error) {
	s.err = err
	close(s.done)
}

// enqueue puts m into the mailbox. A local message waits for room under ctx;
// one that came over a link has room, for its sender holds window. The two do
// not count for each other, so neither can keep the other out. A call that is
// found to be in a deadlock while it waits here is settled, and not sent.
func (n *Node) enqueue(ctx context.Context, m message) error {
	chain := m.asked().chain
	n.mu.Lock()
	err := n.refusesLocked(chain)
	if err != nil {
		n.mu.Unlock()
		return err
	}
	if m.reserved || n.roomLocked() && len(n.senders) == 0 {
		n.acceptLocked(&m)
		n.mu.Unlock()
		return nil
	}
	s := &sender{m: m, done: make(chan struct{})}
	n.senders = append(n.senders, s)
	n.mu.Unlock()

	c, _ := m.answer.(*call)
	began := time.Now()
	err = waitFor(ctx, c, s.done)
	n.mu.Lock()
	n.flow.wait(began, err)
	i := slices.Index(n.senders, s)
	if i >= 0 {
		n.senders = slices.Delete(n.senders, i, i+1)
	}
	n.mu.Unlock()
	switch {
	case i < 0:
		<-s.done
		return s.err // it was accepted or refused in the meantime
	case err != nil:
		return fmt.Errorf("%w: the mailbox of %s stayed full (%d messages): %w", ErrOverloaded, n.key, n.capacity, err)
	}
	return nil // settled
}

// roomLocked reports whether there is room for a message of this process.
func (n *Node) roomLocked() bool { return n.queue.count-n.reserved < n.capacity }

// refusesLocked says why no message with this chain may enter, or nil.
func (n *Node) refusesLocked(chain []*wire.Link) error {
	if n.gone != nil {
		return n.gone
	}
	if n.phase == stopped {
		return fmt.Errorf("%w: %s has stopped", ErrStopped, n.key)
	}
	if !n.takenLocked() {
		return nil
	}
	for _, l := range chain {
		if l.Node == n.key && n.runsLocked(l.Invocation) {
			return fmt.Errorf("%w: %s → %s, whose turn is taken by the first", ErrDeadlock, chainText(chain), n.key)
		}
	}
	return nil
}

// takenLocked reports whether a message would have to wait for a method that
// runs: all turns are taken, or the first, which is Start's, is.
func (n *Node) takenLocked() bool {
	return len(n.active) >= n.limit || n.phase == created && len(n.active) > 0
}

// enqueueAll is enqueue for messages that came over a link. Those that are refused are given to refuse.
func (n *Node) enqueueAll(all []message, refuse func(*message, error)) {
	type refusal struct {
		at  int
		why error
	}
	var refused []refusal
	n.mu.Lock()
	for i := range all {
		if err := n.refusesLocked(all[i].asked().chain); err != nil {
			refused = append(refused, refusal{i, err})
			continue
		}
		n.acceptLocked(&all[i])
	}
	n.mu.Unlock()
	for _, r := range refused {
		refuse(&all[r.at], r.why)
	}
}

func (n *Node) acceptLocked(m *message) {
	n.queue.push(m)
	if m.reserved {
		n.reserved++
	}
	switch {
	case n.phase != open || n.workers >= n.limit:
	case n.parked:
		n.wakeLocked()
	default:
		n.workers++
		n.group.Go(n.work)
	}
}

// takeLocked removes the oldest message and lets the longest waiting sender in.
func (n *Node) takeLocked() message {
	m := n.queue.pop()
	n.flow.pass(m.length())
	if m.reserved {
		n.reserved--
	}
	if len(n.senders) > 0 && n.roomLocked() {
		s := n.senders[0]
		n.senders = slices.Delete(n.senders, 0, 1)
		n.acceptLocked(&s.m)
		s.answer(nil)
	}
	return m
}

// Queued is the number of messages in the node's mailbox.
func (n *Node) Queued() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.queue.count
}
