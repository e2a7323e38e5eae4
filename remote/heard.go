package remote

import "time"

// ackDelay is how long what has come may wait to be acknowledged where little comes.
const ackDelay = 25 * time.Millisecond

// heardFrom is a connection of a link, as the link's reader sees it.
type heardFrom struct {
	l *link
	c *carrier
}

func (h heardFrom) Read(b []byte) (int, error) {
	l, c := h.l, h.c
	l.publish()
	c.waits.Store(int64(c.info.pulse.now()))
	n, err := c.secured.Read(b)
	c.waits.Store(delivering)
	if n > 0 {
		l.p.receivedBytes.Add(uint64(n))
		l.unacked += n
		if !c.heard.Load() {
			c.heard.Store(true)
			l.known.Store(true)
		}
	}
	return n, err
}

// publish has what was handled acknowledged: at once where the peer may wait for that, otherwise a little later, with what comes until then.
func (l *link) publish() {
	r := l.in
	if r.count == l.out.received.Load() {
		return
	}
	l.out.received.Store(r.count)
	switch {
	case l.unacked >= l.quota/4, r.large >= l.quota/2:
		l.unacked, r.large = 0, 0
		l.out.acknowledge()
	case !l.ackSoon.Load():
		l.ackSoon.Store(true)
		l.late.Reset(ackDelay)
	}
}

// acknowledgeLate is called by the timer.
func (l *link) acknowledgeLate() {
	l.ackSoon.Store(false)
	if l.out.received.Load() > l.out.told.Load() {
		l.out.acknowledge()
	}
}
