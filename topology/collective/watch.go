package collective

import (
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// A watch asks the member above now and then, ever less often, whether it is still there and whether what both know fits together.
type watch struct {
	p     *publication
	pause time.Duration
	timer *time.Timer
	got   uint64 // letters, when it was looked at last
	asks  int    // without anything having come that should have

	asked *actor.Future[Attached]
	done  <-chan struct{} // nil: it has answered
	since time.Time
}

func (w *watch) stop() {
	w.timer.Stop()
	if w.asked != nil {
		w.asked.Cancel()
	}
}

// wait waits until there may be something to do; over: the member is to be read from no more.
func (w *watch) wait(bell <-chan struct{}) (to lead, over bool) {
	p := w.p
	select {
	case <-bell:
	case <-p.ctx.Done():
		return anywhere, true
	case <-w.timer.C:
		p.mu.Lock()
		rank, a := p.up.rank, p.attachLocked()
		moved, arriving := w.movedLocked(), p.arrivingLocked() != nil
		p.mu.Unlock()
		switch {
		case w.done != nil && time.Since(w.since) > attachPatience:
			return lead{next: -1, lost: rank}, true
		case moved && arriving:
			w.pause = askAfter
		case w.done == nil:
			w.asked = actor.Go(p.ctx, p.m.ref(p.ctx, rank), Port.CollectiveAttach, a)
			w.done, w.since = w.asked.Done(), time.Now()
		}
		w.timer.Reset(w.pause)
	case <-w.done:
		a, err := w.asked.Wait(p.ctx)
		w.done = nil
		w.pause = min(2*w.pause, askMost)
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case p.ctx.Err() != nil:
			return anywhere, true
		case err != nil:
			return lead{next: -1, lost: p.up.rank}, true
		case !a.Here || a.Fresh: // it has closed, or was started again
			return anywhere, true
		case !w.settledLocked(a): // something was lost: the session begins anew
			return lead{next: p.up.rank, lost: -1}, true
		}
	}
	return to, false
}

// movedLocked tells whether letters have come since it was called last.
func (w *watch) movedLocked() bool {
	moved := w.p.up.got != w.got
	if moved {
		w.got, w.asks = w.p.up.got, 0
	}
	return moved
}

// settledLocked tells whether what both sides know fits together, or may yet.
func (w *watch) settledLocked(a Attached) bool {
	p := w.p
	most := stillAsks
	switch {
	case w.movedLocked():
		return true
	case a.Sent > p.up.got:
		most = lateLetters
	case p.arrivingLocked() == nil && (p.newest != nil && a.Number <= p.newest.number || a.Number == 0):
		w.asks = 0
		return true
	}
	w.asks++
	return w.asks < most
}
