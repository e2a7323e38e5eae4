package remote

import (
	"context"
	"fmt"
	"time"
)

// maxTies is how many streams a process may have opened here at a time: one from each of eight nodes there to each of eight here. Each takes a
// connection at both ends, and a goroutine of the node at this one.
const maxTies = 64

// A tie holds a stream to the links with the process at its other end: it ends when the last of them does.
type tie struct {
	system      string
	incarnation uint64
	accepted    bool
	end         func(why error) // does not block; guarded by peer.mu
}

// holds reports whether a link is one with the process of the tie.
func (t *tie) holds(l *link) bool {
	return l.own && l.system == t.system && l.incarnation == t.incarnation && l.ctx.Err() == nil
}

// tie adds t, unless there are too many or no link holds it.
func (p *peer) tie(t *tie) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holderLocked(t) == nil {
		return unreachable(p.address, errLeft)
	}
	if t.accepted && p.accepted >= maxTies {
		return fmt.Errorf("%w: %d from %s", ErrTooManyStreams, p.accepted, p.address)
	}
	if p.ties == nil {
		p.ties = map[*tie]struct{}{}
	}
	p.ties[t] = struct{}{}
	if t.accepted {
		p.accepted++
	}
	return nil
}

func (p *peer) holderLocked(t *tie) *link {
	for _, l := range p.links {
		if t.holds(l) {
			return l
		}
	}
	return nil
}

// retie says how a stream ends from now on. It reports false where it has ended.
func (p *peer) retie(t *tie, end func(why error)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, tied := p.ties[t]
	if tied {
		t.end = end
	}
	return tied
}

// untie takes t away, if it is still there.
func (p *peer) untie(t *tie) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.untieLocked(t)
}

func (p *peer) untieLocked(t *tie) {
	if _, tied := p.ties[t]; !tied {
		return
	}
	delete(p.ties, t)
	if t.accepted {
		p.accepted--
	}
}

// orphansLocked takes away what no link holds any more.
func (p *peer) orphansLocked() (orphans []func(error)) {
	for t := range p.ties {
		if p.holderLocked(t) == nil {
			p.untieLocked(t)
			orphans = append(orphans, t.end)
		}
	}
	return orphans
}

// cut ends streams whose links have ended, nil: in order.
func (p *peer) cut(ends []func(error), why error) {
	why = unreachable(p.address, why)
	for _, end := range ends {
		if !p.e.spawnUntilTorn(func() { end(why) }) { // a connection inside another may take its time to close
			end(why)
		}
	}
}

// awaitLink waits for a link with the process of t: that of a caller who has it already may not be up here yet. The caller is the member whose link
// it is.
func (p *peer) awaitLink(ctx context.Context, t *tie, member *Identity) error {
	timer := time.NewTimer(p.e.cfg.HandshakeTimeout / 2) // the caller shall hear of it
	defer timer.Stop()
	for {
		p.mu.Lock()
		l := p.holderLocked(t)
		if p.arrival == nil {
			p.arrival = make(chan struct{})
		}
		arrival := p.arrival
		p.mu.Unlock()
		switch {
		case l != nil && sameMember(l.member, member):
			return nil
		case l != nil:
			return fmt.Errorf("%w: %s is in use by %s, and claimed by %s", ErrRefused, p.address, l.member, member)
		}
		select {
		case <-arrival:
		case <-timer.C:
			return errUnlinked
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.e.dialing.Done():
			return ErrClosed
		}
	}
}

// arrivedLocked says that a link is up.
func (p *peer) arrivedLocked() {
	if p.arrival != nil {
		close(p.arrival)
		p.arrival = nil
	}
}
