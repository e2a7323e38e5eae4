package collective

import (
	"fmt"
	"time"
)

const (
	// silentAfter is how long a reader may be silent, which asks every second at least, before it counts as gone.
	silentAfter = 10 * time.Second
	// orphanPatience is how long those below a lost member take to find that out and come: so long a publisher that closes waits for them.
	orphanPatience = 3 * time.Second
	// dismissPatience is how long a reader that leaves waits until those below it have found another.
	dismissPatience = time.Second
	// earlyShare is the part of a version, one in so many, that may have been sent for nothing before a newer one takes its place. A version of
	// which more has gone is sent whole, and the newest one after it: otherwise a publisher that is faster than the links would have no
	// version arrive ever.
	earlyShare = 8
)

// A served is a member that reads from this one. A goroutine sends to it what is due, at its own pace.
type served struct {
	rank    int
	session uint64

	// Guarded by the publication's lock.
	heard   time.Time // when something came of it last
	fresh   bool      // it has had no answer yet
	gone    bool      // its goroutine ends
	offered *edition  // the last
	waiting bool      // for what it says to that
	sending *edition  // nil: nothing
	todo    []int     // chunks of it
	total   int       // bytes that it asked for of that one
	spent   int       // bytes sent since it had a whole version
	out     int       // bytes sent that it has not granted back
	has     uint64    // the number of the newest version it has, as it has said
	move    int       // a rank it is to be sent to; -1: none
	told    bool      // that the publisher has closed
	sent    uint64    // letters
}

// bestLocked is the newest edition to offer to a member, or nil. Members of this host get whole ones, whose memory they share.
func (p *publication) bestLocked(rank int) *edition {
	if p.lineage.sameHost(rank, p.m.rank) {
		return p.whole
	}
	return p.newest
}

// lostLocked forgets a reader that does not answer.
func (p *publication) lostLocked(s *served) {
	if !s.gone {
		p.orphans = time.Now().Add(orphanPatience)
		p.dropLocked(s.session) // it comes again when it can
	}
}

// dropLocked forgets a reader.
func (p *publication) dropLocked(session uint64) {
	if s := p.served[session]; s != nil {
		s.gone, s.offered, s.sending, s.todo = true, nil, nil, nil
		delete(p.served, session)
		p.ringLocked()
	}
}

// serve sends to a reader until one of them ends.
func (p *publication) serve(s *served) {
	timer := time.NewTimer(silentAfter)
	defer timer.Stop()
	for {
		p.mu.Lock()
		if s.gone || p.over {
			p.mu.Unlock()
			return
		}
		l, payload := p.nextLocked(s)
		if l.kind == 0 {
			bell := p.bellLocked()
			p.mu.Unlock()
			select {
			case <-bell:
			case <-timer.C:
				p.mu.Lock()
				left := silentAfter - time.Since(s.heard)
				if left <= 0 {
					p.lostLocked(s)
				}
				p.mu.Unlock()
				timer.Reset(max(left, time.Second))
			}
			continue
		}
		l.session = s.session
		s.sent++
		p.mu.Unlock()
		if err := p.tell(s.rank, l, payload); err != nil {
			p.mu.Lock()
			p.lostLocked(s)
			p.mu.Unlock()
			return
		}
	}
}

// nextLocked decides what to send to a reader now; kind 0: nothing.
func (p *publication) nextLocked(s *served) (l letter, payload []byte) {
	if s.move >= 0 {
		l = letter{kind: letterMove, index: s.move}
		s.move = -1
		return l, nil
	}
	if s.sending != nil && s.sending.dropped {
		s.sending, s.todo = nil, nil
	}
	best := p.bestLocked(s.rank)
	if best != nil && (s.offered == nil || best.number > s.offered.number) && !s.waiting && (s.sending == nil || s.spent <= s.total/earlyShare) {
		l = letter{kind: letterOffer, flags: letterInstead, number: best.number}
		if s.offered != nil && s.sending == nil && !s.offered.dropped {
			l.flags = 0 // all of that is on its way
		}
		s.offered, s.waiting, s.sending, s.todo = best, true, nil, nil
		return l, best.encoded
	}
	if s.sending != nil {
		i := s.todo[0]
		size := letterSize + s.sending.length(i)
		if !s.sending.has(i) || s.out > 0 && s.out+size > windowBytes {
			return letter{}, nil
		}
		l, payload = letter{kind: letterChunk, index: i, number: s.sending.number}, s.sending.bytes(i)
		s.out += size
		s.spent += len(payload)
		p.stats.SentBytes += uint64(len(payload))
		if s.todo = s.todo[1:]; len(s.todo) == 0 {
			s.sending, s.spent = nil, 0
		}
		return l, payload
	}
	if p.ended && !s.told && (best == nil || s.has >= best.number) {
		s.told = true
		return letter{kind: letterEnd}, nil
	}
	return letter{}, nil
}

func (p *publication) fromBelowLocked(s *served, l letter, payload []byte) error {
	switch l.kind {
	case letterWant:
		e := s.offered
		if e == nil || l.number != e.number || !s.waiting {
			return nil
		}
		todo, err := chunksOf(payload, e.count())
		if err != nil {
			return err
		}
		s.waiting = false
		if len(todo) > 0 {
			s.sending, s.todo, s.total = e, todo, 0
			for _, i := range todo {
				s.total += e.length(i)
			}
		}
	case letterHas:
		s.waiting = s.waiting && l.number < s.offered.number && l.flags&letterInstead == 0
		s.has = max(s.has, l.number)
		s.out = max(0, s.out-int(min(l.credit, windowBytes)))
	case letterGrant:
		s.out = max(0, s.out-int(min(l.credit, windowBytes)))
	case letterLeave:
		p.dropLocked(s.session)
	default:
		return fmt.Errorf("%w: a letter of kind %d from below", errMessage, l.kind)
	}
	return nil
}
