package remote

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A carrier is a connection while it carries a link between two of our own endpoints.
type carrier struct {
	*secured
	waits atomic.Int64 // since when the reader waits, by the connection's pulse; delivering while it does not
	heard atomic.Bool  // something came, after the handshake
	since time.Time    // it was taken
	moved uint64       // frames, of both sides, that had arrived by then: see outbox.moved
}

func newCarrier(conn *secured, moved uint64) *carrier {
	c := &carrier{secured: conn, since: time.Now(), moved: moved}
	c.waits.Store(delivering)
	return c
}

const delivering = -1

// silent reports whether nothing was heard for two heartbeats. Only the time counts in which the reader waits: while a
// process takes its time with a message, the peer is not to blame. Any byte is a sign of life, for a large message may
// take longer on a slow path.
func (c *carrier) silent(heartbeat time.Duration) bool {
	since, pulse := c.waits.Load(), c.info.pulse
	return since != delivering && pulse.now()-time.Duration(max(since, pulse.last.Load())) >= 2*heartbeat
}

// A carrierUse is of what use a carrier was.
type carrierUse int

const (
	useless carrierUse = iota // nothing came on it
	weak                      // something came, but neither side is any further, and it did not last
	fruitful
)

// useUntil is of what use a carrier was that is lost now, when so many frames have arrived. One that has lasted for as long as the longest pause between two tries
// does no harm, even where there was nothing to say.
func (c *carrier) useUntil(now time.Time, moved uint64) carrierUse {
	switch {
	case !c.heard.Load():
		return useless
	case moved == c.moved && now.Sub(c.since) < lastBackoff:
		return weak
	}
	return fruitful
}

// A carriage is which carrier a link has. Reader and writer each work on one at a time; while both are halted, what came and what went stands still.
type carriage struct {
	mu       sync.Mutex
	changed  chan struct{} // closed, and replaced, with each change
	now      *carrier      // nil: none, the link is away
	reading  *carrier      // by the reader; nil: it is halted
	writing  *carrier      // so the writer
	installs int           // carriers that were taken after the first
	tries    uint64        // the number of the youngest carrier that was tried or taken: none before it is taken any more
	since    time.Time     // when the last carrier was lost on which something came
	why      error         // the last was lost
	network  string        // from which it had come; empty: it was dialled
	of       carrierUse    // it was
}

func (c *carriage) changedLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// when waits until cond holds, which is called under the lock, or ctx ends.
func (c *carriage) when(ctx context.Context, cond func() bool) error {
	for {
		c.mu.Lock()
		ok, changed := cond(), c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// current is the carrier of a link, or nil: it has none, or is one of a stock peer.
func (l *link) current() *carrier {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// next waits for a carrier for the reader or the writer, whichever asks; nil: the link is over.
func (l *link) next(at **carrier) (c *carrier) {
	err := l.when(l.ctx, func() bool {
		c, *at = l.now, l.now
		return c != nil
	})
	if err != nil {
		return nil
	}
	return c
}

// halt says that the reader or the writer, whichever asks, has ended its work on a carrier, which is lost.
func (l *link) halt(at **carrier, why error) {
	l.mu.Lock()
	c := *at
	l.mu.Unlock()
	l.lose(c, why)
	l.mu.Lock()
	defer l.mu.Unlock()
	*at = nil
	l.changedLocked()
}

// lose gives up a carrier, unless it was given up before.
func (l *link) lose(c *carrier, why error) {
	l.mu.Lock()
	if l.now == c {
		now := time.Now()
		l.now, l.why, l.network, l.of = nil, why, c.network, c.useUntil(now, l.out.moved())
		if l.of != useless {
			l.since = now
		}
		l.out.carry(false)
		l.changedLocked()
	}
	l.mu.Unlock()
	_ = c.Close() // it is of no use any more, whatever its end
}

// loseConnection gives up the carrier that a connection is, if it still is the link's.
func (l *link) loseConnection(conn *secured, why error) {
	if c := l.current(); c != nil && c.secured == conn {
		l.lose(c, why)
	}
}

// advance notes that the last carrier has brought something to the peer.
func (l *link) advance() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Now()
}

// standstill waits until neither reader nor writer works.
func (l *link) standstill(ctx context.Context) error {
	return l.when(ctx, l.stillLocked)
}

func (l *link) stillLocked() bool { return l.now == nil && l.reading == nil && l.writing == nil }

// rewind waits until neither reader nor writer works, and then has all written again that the peer does not have: see outbox.resume. It fails where
// a younger carrier was tried meanwhile. That may be in use already, and what was said on this one be out of date.
func (l *link) rewind(ctx context.Context, try, received uint64) (advanced bool, err error) {
	waited := l.when(ctx, func() bool {
		switch {
		case l.tries != try:
			err = errStale
		case !l.stillLocked():
			return false
		default:
			advanced, err = l.out.resume(received)
		}
		return true
	})
	if waited != nil {
		return false, waited
	}
	return advanced, err
}

// begin counts a try to bring a carrier. It fails where a younger one was tried; zero stands for the next.
func (l *link) begin(try uint64) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if try == 0 {
		try = l.tries + 1
	}
	if try <= l.tries {
		return 0, false
	}
	l.tries = try
	return try, true
}

// install takes a carrier, unless a younger one was tried meanwhile or the link is over.
func (l *link) install(conn *secured, try uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil || l.tries != try || l.now != nil {
		return false
	}
	l.now = newCarrier(conn, l.out.moved())
	l.installs++
	l.out.carry(true)
	l.changedLocked()
	return true
}
