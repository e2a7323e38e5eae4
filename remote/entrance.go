package remote

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// An entrance is where a link's queue is entered and ended: what waits for room there, and why nothing more comes in. Its lock is that of the queue.
type entrance struct {
	stalls *stalls // nil: nobody counts

	mu      sync.Mutex
	some    sync.Cond    // there is something to take, or the queue has ended
	lines   [4][]*waiter // for room, each first come first served
	closing error        // not nil: nothing more is put; what is left is taken
	err     error        // not nil: the queue has ended; nothing is taken any more
}

// The lines of an entrance. What is small does not wait behind what is large, which has less room; nor urgent messages behind data.
const (
	shortLine = iota
	longLine
	urgentShortLine
	urgentLongLine
)

type waiter struct {
	it   item
	done chan error // receives one value, when the item was queued or never will be
}

// endLocked says why nothing more is put, if so.
func (e *entrance) endLocked() error {
	if e.err == nil {
		return e.closing
	}
	return e.err
}

// wait waits in a line until admitLocked has let the item in, ctx ends or the queue does. It is called with the lock held, and gives it up.
// admitLocked is called again where somebody leaves a line: whoever is behind may be smaller.
func (e *entrance) wait(ctx context.Context, line int, it *item, admitLocked func()) error {
	if err := actor.Impatient(ctx); err != nil {
		e.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	w := &waiter{it: *it, done: make(chan error, 1)}
	e.lines[line] = append(e.lines[line], w)
	e.mu.Unlock()
	defer e.stalls.waited(time.Now())

	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	e.mu.Lock()
	i := slices.Index(e.lines[line], w)
	if i >= 0 {
		e.lines[line] = slices.Delete(e.lines[line], i, i+1)
		admitLocked()
	}
	e.mu.Unlock()
	if i < 0 {
		return <-w.done // decided before we could leave
	}
	return context.Cause(ctx)
}

// awaitedLocked reports whether somebody waits for room.
func (e *entrance) awaitedLocked() bool {
	return len(e.lines[shortLine])+len(e.lines[longLine])+len(e.lines[urgentShortLine])+len(e.lines[urgentLongLine]) > 0
}

// callLocked lets in whoever is first in a line, again and again, while there is room. push queues an item.
func (e *entrance) callLocked(line int, room func(it *item) bool, push func(it *item)) {
	n := 0
	for _, w := range e.lines[line] {
		if !room(&w.it) {
			break
		}
		push(&w.it)
		w.done <- nil
		n++
	}
	e.lines[line] = slices.Delete(e.lines[line], 0, n)
}

// drain refuses new messages, with why, and lets the taker have what is left. The first reason given stays.
func (e *entrance) drain(why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing == nil {
		e.closing = why
		e.sendAwayLocked(why)
		e.some.Signal()
	}
}

// shutLocked ends the queue: those who wait for room are told. The first error given stays.
func (e *entrance) shutLocked(err error) {
	if e.err == nil {
		e.err = err
	}
	e.sendAwayLocked(e.err)
	e.some.Signal()
}

func (e *entrance) sendAwayLocked(err error) {
	for i := range e.lines {
		for _, w := range e.lines[i] {
			w.done <- err
		}
		e.lines[i] = nil
	}
}
