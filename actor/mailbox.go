package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// What a mailbox holds before senders of its process wait.
const (
	DefaultCapacity = 1024     // messages
	DefaultBytes    = 16 << 20 // of their arguments, see [Node.Waiting]
)

// A message waits in a mailbox for its node's turn. It is copied about, and
// looked through by the garbage collector, so it is kept small.
type message struct {
	*asker           // what few messages have; nil until it is queued: nobody
	method  *method  // nil: find it by call.Method
	arg     any      // the argument, unless call or encoded carries it
	encoded []byte   // the argument's encoding; not nil where there is one
	bytes   *[]byte  // lent memory behind arg or encoded, given back after the method
	account *account // of a tell from another process: gets its window back when the message leaves the mailbox
	size    int      // about, of the argument; for account, that of its encoding
	// reserved messages need no room: their sender holds window, or they are
	// the node's own.
	reserved bool
	// shared: encoded is the sender's memory, of which the mailbox takes a copy.
	shared bool
	pack   *pack // instead of all else but asker and reserved: these messages
}

// An asker is what a message that somebody waits for has beside it.
type asker struct {
	answer answerer        // who is told the result; nil: nobody
	caller context.Context // whose end ends the method's context; nil: nobody's
	chain  []*wire.Link    // who waits, outermost first
	call   *wire.Call      // as it came over a link, unless it came as a parcel
	trace  *traced         // nil: it belongs to no trace
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
func (n *Node) enqueue(ctx context.Context, m *message) error {
	m.asked()
	n.mu.Lock()
	if err := n.refusesLocked(m.chain); err != nil {
		n.mu.Unlock()
		return err
	}
	if m.reserved || len(n.senders) == 0 && n.roomLocked(m.size) {
		n.acceptLocked(m)
		n.mu.Unlock()
		return nil
	}
	if err := impatient(ctx); err != nil {
		n.mu.Unlock()
		return n.full(err)
	}
	s := &sender{m: *m, done: make(chan struct{})}
	n.senders = append(n.senders, s)
	n.crowded.Store(true)
	if len(n.senders) == 1 { // a message may have begun before its worker could see that somebody waits
		n.admitLocked()
	}
	n.mu.Unlock()

	c, _ := m.answer.(*call)
	began := time.Now()
	err := waitFor(ctx, c, s.done)
	n.mu.Lock()
	n.flow.wait(began, err)
	i := slices.Index(n.senders, s)
	if i >= 0 {
		n.senders = slices.Delete(n.senders, i, i+1)
		n.crowded.Store(len(n.senders) > 0)
		n.admitLocked() // the one behind may be smaller
	}
	n.mu.Unlock()
	switch {
	case i < 0:
		<-s.done
		return s.err // it was accepted or refused in the meantime
	case err != nil:
		return n.full(err)
	}
	return nil // settled
}

// full is why a sender gave up, whose wait ended with err.
func (n *Node) full(err error) error {
	if errors.Is(err, errNoPatience) {
		return err
	}
	return fmt.Errorf("%w: the mailbox of %s is full (of %d messages and %d bytes): %w", ErrOverloaded, n.key, n.capacity.messages,
		n.capacity.bytes, err)
}

// roomLocked reports whether there is room for a message of this process of so
// many bytes. As with a window, one of any size finds room where less than a
// quarter of the bytes is taken.
func (n *Node) roomLocked(bytes int) bool {
	if n.capacity.holds(n.held, bytes) {
		return true
	}
	local, _ := n.waitingLocked() // what has begun waits no more, but is taken off later
	return n.capacity.holds(local, bytes)
}

// admitLocked lets waiting senders in, first come first served. It begins only
// when a quarter of the mailbox is free: to wake a sender for each message
// costs more than the message. It returns how many messages have to begin
// before it is worth while to look again.
func (n *Node) admitLocked() (again int) {
	if len(n.senders) == 0 {
		return 0
	}
	local, _ := n.waitingLocked()
	if again := max(1, n.capacity.messages/4) - (n.capacity.messages - local.messages); again > 0 {
		return again
	}
	admitted := 0
	for _, s := range n.senders {
		if !n.capacity.holds(local, s.m.size) {
			break
		}
		local.messages++
		local.bytes += s.m.size
		n.acceptLocked(&s.m)
		s.answer(nil)
		admitted++
	}
	n.senders = slices.Delete(n.senders, 0, admitted)
	n.crowded.Store(len(n.senders) > 0)
	return 1
}

// refusesLocked says why no message with this chain may enter, or nil.
func (n *Node) refusesLocked(chain []*wire.Link) error {
	if n.gone != nil {
		return n.gone
	}
	if n.phase == stopped {
		return fmt.Errorf("%w: %s has stopped", ErrStopped, n.key)
	}
	for _, l := range chain {
		if l.Node == n.key && n.runsLocked(l.Invocation) && n.takenLocked() {
			return fmt.Errorf("%w: %s → %s, whose turn is taken by the first", ErrDeadlock, chainText(chain), n.key)
		}
	}
	return nil
}

// takenLocked reports whether a message would have to wait for a method that
// runs: all turns are taken, or the first, which is Start's, is.
func (n *Node) takenLocked() bool {
	taken := 0
	for _, w := range n.active {
		if !w.isDone() {
			taken++
		}
	}
	return taken >= n.limit || n.phase == created && taken > 0
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

// acceptLocked queues m and sees to it that somebody handles it.
func (n *Node) acceptLocked(m *message) {
	switch {
	case m.pack != nil:
		n.queue.push(m)
		n.reserved.sum(m.pack.left())
	case m.reserved:
		n.queue.push(m)
		n.reserved.add(m)
	default:
		n.held.add(m)
		if m.shared {
			if n.packLocked(m) {
				break
			}
			n.copyLocked(m)
		}
		n.queue.push(m)
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

// packLocked puts m, which shares its argument with its sender, behind the last of the queue where that is of its kind.
func (n *Node) packLocked(m *message) bool {
	last := n.queue.tail()
	if last == nil || m.asker != nobody || !n.packs(m.method) {
		return false
	}
	p := last.pack
	switch {
	case p == nil && (last.method != m.method || last.asker != nobody || last.reserved):
		return false
	case p == nil:
		p = newPack(m.method, nil, firstRoom)
	case p.method != m.method || p.account != nil:
		return false
	case !p.taken && p.add(m.encoded):
		return true
	default:
		p = newPack(m.method, nil, p.nextRoom())
	}
	if !p.add(m.encoded) {
		p.end()
		return false
	}
	n.queue.push(&message{asker: nobody, pack: p})
	return true
}

// copyLocked gives m its own copy of what it shares with its sender. Small ones are left to the garbage collector, arenaBytes at a time.
func (n *Node) copyLocked(m *message) {
	size := len(m.encoded)
	if n.arena == nil || size > len(n.arena) {
		n.arena = make([]byte, arenaBytes)
	}
	own := n.arena[:size:size]
	copy(own, m.encoded)
	n.arena = n.arena[size:]
	m.encoded, m.shared = own, false
}

// waitingLocked is what waits in the mailbox and has not begun: of senders in
// this process, and of those that needed no room.
func (n *Node) waitingLocked() (local, reserved budget) {
	local, reserved = n.held, n.reserved
	for _, w := range n.active {
		begunLocal, begunReserved := w.begunInQueue()
		local.sub(begunLocal)
		reserved.sub(begunReserved)
	}
	return local, reserved
}

// Queued is the number of messages in the node's mailbox.
func (n *Node) Queued() int {
	messages, _ := n.Waiting()
	return messages
}

// Waiting is the number of messages in the node's mailbox, and the size of
// their arguments: encoded where they came encoded or are bytes, in memory,
// without what they refer to, where they were sent within the process and
// needed no encoding.
func (n *Node) Waiting() (messages, bytes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	local, reserved := n.waitingLocked()
	return local.messages + reserved.messages, local.bytes + reserved.bytes
}
