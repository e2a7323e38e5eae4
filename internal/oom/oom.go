// Package oom tells whether the kernel has lately killed a process for want of memory near this one: in its memory cgroup, of
// either version, or on the machine where cgroups do not say. Linux only; elsewhere nothing is ever known.
package oom

import (
	"sync"
	"time"
)

// window is how far a [Watch] looks back at least; at most it is twice that. A large process takes seconds to end after its kill
// was counted, and what was killed long before has nothing to do with it.
const window = 10 * time.Second

// Watch remembers how many kills there were. Its methods are safe for concurrent use.
type Watch struct {
	read func() (kills uint64, ok bool)

	mu     sync.Mutex
	older  uint64
	newer  uint64
	turned time.Time // when newer was read
	known  bool
}

// NewWatch returns a watch that looks back to now.
func NewWatch() *Watch { return newWatch(counter(), time.Now()) }

func newWatch(read func() (uint64, bool), now time.Time) *Watch {
	w := &Watch{read: read}
	w.newer, w.known = w.read()
	w.older, w.turned = w.newer, now
	return w
}

// Tick moves the watch on to now. It is to be called every few seconds; it reads a small file every ten.
func (w *Watch) Tick(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.turned) < window {
		return
	}
	if kills, ok := w.read(); ok {
		w.older, w.newer, w.turned = w.newer, kills, now
	}
}

// Killed says whether a process was killed within the last ten to twenty seconds, or since the last calls of Tick where these
// are longer ago. Where the kernel does not say it is false.
func (w *Watch) Killed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	kills, ok := w.read()
	return w.known && ok && kills > w.older
}
