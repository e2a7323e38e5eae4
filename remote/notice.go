package remote

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	noticeInterval = time.Minute
	maxNotices     = 1024 // remembered; a flood of addresses makes the log silent, not the memory large
)

// notices remembers what was logged lately. Its zero value is ready.
type notices struct {
	mu   sync.Mutex
	last map[notice]time.Time
}

type notice struct {
	peer   string
	reason Reason
}

// sayOnce reports whether this is to be logged: once for each peer, reason and interval.
func (e *Endpoint) sayOnce(peer string, reason Reason) bool {
	n, now := &e.said, time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if t, ok := n.last[notice{peer, reason}]; ok && now.Sub(t) < noticeInterval {
		return false
	}
	if len(n.last) >= maxNotices {
		for k, t := range n.last {
			if now.Sub(t) >= noticeInterval {
				delete(n.last, k)
			}
		}
		if len(n.last) >= maxNotices {
			return false
		}
	}
	if n.last == nil {
		n.last = map[notice]time.Time{}
	}
	n.last[notice{peer, reason}] = now
	return true
}

// turnedAway counts and logs a peer that was refused, by us or by itself. Peers that merely are not there are neither.
func (e *Endpoint) turnedAway(who string, err error) {
	reason := RefusedHandshake
	switch {
	case errors.Is(err, ErrRefused):
		reason = RefusedIdentity
	case errors.Is(err, ErrVersion):
		reason = RefusedVersion
	case errors.Is(err, context.Canceled), errors.Is(err, errLeft): // it is closing: nobody was refused
		return
	}
	e.refusals.add(reason, 1)
	if e.sayOnce(who, reason) {
		e.log.Warn("peer refused", "peer", who, "reason", string(reason), "error", err)
	}
}
