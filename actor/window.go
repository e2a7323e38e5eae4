package actor

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// A window bounds what this system has under way to one node of another
// process: a call until it is answered, a tell until it has left the mailbox.
// Those who find it used up wait in the order in which they came.
type window struct {
	mu      sync.Mutex
	limit   int
	out     int
	epoch   int // grows when the link is lost, with which all credit comes back
	waiting []*ticket
}

// A ticket is a place in the queue for a window.
type ticket struct {
	granted chan struct{}
	epoch   int // valid once granted
}

// acquire waits for room under ctx and returns the epoch to release it with.
// c is the call that waits, if it is one; found to be in a deadlock, it ends
// the wait with errSettled.
func (w *window) acquire(ctx context.Context, c *call) (int, error) {
	w.mu.Lock()
	if w.out < w.limit && len(w.waiting) == 0 {
		defer w.mu.Unlock()
		w.out++
		return w.epoch, nil
	}
	t := &ticket{granted: make(chan struct{})}
	w.waiting = append(w.waiting, t)
	w.mu.Unlock()

	err := waitFor(ctx, c, t.granted)
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.waiting, t); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
		if err == nil {
			err = errSettled
		}
		return 0, err
	}
	return t.epoch, nil // granted, perhaps just as ctx ended: whoever sends next looks at ctx
}

// release gives n back. Credit of an earlier epoch has come back already, and
// what a peer gives beyond what it was sent is ignored.
func (w *window) release(epoch, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if epoch == w.epoch && n > 0 && n <= w.out {
		w.out -= n
		w.grantLocked()
	}
}

// credit is release in the current epoch.
func (w *window) credit(n int) {
	w.mu.Lock()
	epoch := w.epoch
	w.mu.Unlock()
	w.release(epoch, n)
}

// reset gives everything back: the link was lost, and what was under way with it.
func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	w.out = 0
	w.grantLocked()
}

func (w *window) grantLocked() {
	for w.out < w.limit && len(w.waiting) > 0 {
		t := w.waiting[0]
		w.waiting = slices.Delete(w.waiting, 0, 1)
		w.out++
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
// sending process. Its fields are guarded by the system's mu. A lost link
// takes the account out of the map; what it still held then gives no credit.
type account struct {
	key   windowKey
	held  int  // received, and neither taken (tells) nor answered (calls)
	taken int  // tells taken and not yet credited
	gone  bool // the link was lost
}

// admitLocked books a message of a peer, or refuses what no honest sender
// would have under way: twice the window allows for a link that broke
// without the news of it having reached both ends.
func (s *System) admitLocked(k windowKey) (*account, error) {
	a := s.accounts[k]
	if a == nil {
		a = &account{key: k}
		s.accounts[k] = a
	}
	if a.held >= 2*s.window {
		return nil, fmt.Errorf("%w: %s sent more to %s than its window of %d allows", ErrOverloaded, k.address, k.node, s.window)
	}
	a.held++
	return a, nil
}

// tellTaken gives window back to the sender of tells, a quarter at a time.
func (s *System) tellTaken(a *account) {
	s.mu.Lock()
	a.held--
	a.taken++
	n := a.taken
	if a.gone || n < max(1, s.window/4) {
		s.mu.Unlock()
		return
	}
	a.taken = 0
	s.mu.Unlock()
	s.giveCredit(a.key, n)
}
