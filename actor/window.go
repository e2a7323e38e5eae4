package actor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A budget bounds messages and the bytes of their arguments.
type budget struct{ messages, bytes int }

func (b *budget) add(m *message) {
	b.messages++
	b.bytes += m.size
}

func (b *budget) remove(m *message) {
	b.messages--
	b.bytes -= m.size
}

func (b *budget) sum(c budget) {
	b.messages += c.messages
	b.bytes += c.bytes
}

func (b *budget) sub(c budget) {
	b.messages -= c.messages
	b.bytes -= c.bytes
}

// holds reports whether, of this limit, so much is taken that a message of so many bytes has room beside it. Whatever its size, one has
// where less than a quarter of the bytes is taken.
func (b budget) holds(taken budget, bytes int) bool {
	return taken.messages == 0 || taken.messages < b.messages && (taken.bytes+bytes <= b.bytes || taken.bytes < b.bytes/4)
}

// A window bounds what this system has under way to one node of another
// process: a call until it is answered, a tell until it has left the mailbox.
// Those who find it used up wait in the order in which they came. Whatever its
// size, a message goes when less than a quarter of the bytes is under way: so
// much is not given back until more is taken.
type window struct {
	mu      sync.Mutex
	limit   budget
	out     budget
	epoch   int // grows when the link is lost, with which all credit comes back
	waiting []*ticket
	flow    flow
}

// A ticket is a place in the queue for a window.
type ticket struct {
	bytes   int
	granted chan struct{}
	epoch   int // valid once granted
}

func (w *window) roomLocked(bytes int) bool { return w.limit.holds(w.out, bytes) }

// acquire waits for room for a message of so many bytes under ctx and returns
// the epoch to release it with. c is the call that waits, if it is one; found
// to be in a deadlock, it ends the wait with errSettled.
func (w *window) acquire(ctx context.Context, c *call, bytes int) (int, error) {
	w.mu.Lock()
	if len(w.waiting) == 0 && w.roomLocked(bytes) {
		w.out.messages++
		w.out.bytes += bytes
		epoch := w.epoch
		w.flow.pass(bytes)
		w.mu.Unlock()
		return epoch, nil
	}
	if err := impatient(ctx); err != nil {
		w.mu.Unlock()
		return 0, err
	}
	t := &ticket{bytes: bytes, granted: make(chan struct{})}
	w.waiting = append(w.waiting, t)
	w.mu.Unlock()

	began := time.Now()
	err := waitFor(ctx, c, t.granted)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flow.wait(began, err)
	if i := slices.Index(w.waiting, t); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
		w.grantLocked() // those behind may be smaller
		if err == nil {
			err = errSettled
		}
		return 0, err
	}
	w.flow.pass(bytes)
	return t.epoch, nil // granted, perhaps just as ctx ended: whoever sends next looks at ctx
}

// release gives back. Credit of an earlier epoch has come back already, and
// what a peer gives beyond what it was sent is ignored.
func (w *window) release(epoch int, back budget) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if epoch == w.epoch {
		w.creditLocked(back)
	}
}

// credit is release in the current epoch.
func (w *window) credit(back budget) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.creditLocked(back)
}

// creditLocked gives back at most what is out. Credit that a lost link brought late may have taken the place of what comes now: dropped as a
// whole, the rest of it would stay out for ever.
func (w *window) creditLocked(back budget) {
	if back.messages <= 0 || back.bytes < 0 {
		return
	}
	w.out.messages -= min(back.messages, w.out.messages)
	w.out.bytes -= min(back.bytes, w.out.bytes)
	w.grantLocked()
}

// reset gives everything back: the link was lost, and what was under way with it.
func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	w.out = budget{}
	w.grantLocked()
}

func (w *window) grantLocked() {
	for len(w.waiting) > 0 && w.roomLocked(w.waiting[0].bytes) {
		t := w.waiting[0]
		w.waiting = slices.Delete(w.waiting, 0, 1)
		w.out.messages++
		w.out.bytes += t.bytes
		t.epoch = w.epoch
		close(t.granted)
	}
}

// windowKey is a node in the process at an address: another incarnation of
// the process has another window.
type windowKey struct{ address, node string }

func (s *System) windowFor(k windowKey) *window {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.windows[k]
	if w == nil {
		w = &window{limit: s.window}
		s.windows[k] = w
	}
	return w
}

// An account is the other end of a window: what a node here holds of one
// sending process. A lost link takes the account out of the system's map; what
// it still held then gives no credit.
type account struct {
	key windowKey

	mu    sync.Mutex
	held  budget // received, and neither taken (tells) nor answered (calls); see booked
	taken budget // tells taken and not yet credited
	gone  atomic.Bool
}

// accountFor finds the account of a sender at a node.
func (s *System) accountFor(k windowKey) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[k]
	if a == nil {
		a = &account{key: k}
		s.accounts[k] = a
	}
	return a
}

// booked is the size that an account holds a message for: one that is larger than the window counts as that. An honest sender has one such
// beside less than a quarter of the window, but those of several goroutines may come in another order than that in which they got window.
func booked(limit budget, bytes int) int { return min(bytes, limit.bytes) }

// admit books a message of a peer, or refuses what no honest sender would have
// under way: twice the window allows for a link that broke without the news of
// it having reached both ends.
func (a *account) admit(limit budget, bytes int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held.messages >= 2*limit.messages || a.held.bytes >= 2*limit.bytes {
		return fmt.Errorf("%w: %s sent more to %s than its window of %d messages and %d bytes allows", ErrOverloaded,
			a.key.address, a.key.node, limit.messages, limit.bytes)
	}
	a.held.messages++
	a.held.bytes += booked(limit, bytes)
	return nil
}

// admitTells books messages of a peer together, or none of them.
func (a *account) admitTells(limit, tells budget) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if tells.bytes > limit.bytes || a.held.messages+tells.messages > 2*limit.messages || a.held.bytes+tells.bytes > 2*limit.bytes {
		return false // one by one they may have room
	}
	a.held.messages += tells.messages
	a.held.bytes += tells.bytes
	return true
}

// answered books out a call.
func (a *account) answered(limit budget, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held.messages--
	a.held.bytes -= booked(limit, bytes)
}

// waits books a call in again whose answer has no room yet: its sender's window has no room for another meanwhile.
func (a *account) waits(limit budget, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held.messages++
	a.held.bytes += booked(limit, bytes)
}

// creditShare is the part of a window that is given back at a time. Where a worker owes one and its account another, a quarter of the window
// has not come back yet: as much as a sender does without, see holds.
const creditShare = 8

// isShareOf reports whether b is enough of a window to give it back.
func (b budget) isShareOf(window budget) bool {
	return b.messages >= max(1, window.messages/creditShare) || b.bytes >= max(1, window.bytes/creditShare)
}

// tellsTaken gives window back to the sender of tells, a share at a time. One that is larger than the window comes alone.
func (s *System) tellsTaken(a *account, tells budget) {
	a.mu.Lock()
	a.held.messages -= tells.messages
	a.held.bytes -= booked(s.window, tells.bytes)
	a.taken.messages += tells.messages
	a.taken.bytes += tells.bytes
	back := a.taken
	if a.gone.Load() || !back.isShareOf(s.window) {
		a.mu.Unlock()
		return
	}
	a.taken = budget{}
	a.mu.Unlock()
	s.giveCredit(a.key, back)
}
