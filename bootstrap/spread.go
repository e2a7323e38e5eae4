package bootstrap

import (
	"context"
	"slices"
	"sync"
)

const (
	// maxDirect is how many copies of an executable the launcher sends itself, while hosts can pass it on.
	maxDirect = 8
	// maxGiven is how many copies a host passes on at a time.
	maxGiven = 4
	// maxFailed is how often passing on may fail before all who are left get theirs from the launcher: something is between these hosts.
	maxFailed = 3
)

// spread decides where each host gets an executable from: from the launcher, or from a host that has it. It is safe for concurrent use.
type spread struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when somebody who waits may go on
	direct  int           // copies that the launcher has sent or sends
	flying  int           // copies under way, after each of which one more may have it
	failed  int           // hosts without means, and holders that did not pass it on
	holders []*holder
}

func newSpread() *spread { return &spread{changed: make(chan struct{})} }

// next returns who gives a host its copy; nil is the launcher itself. It waits, under ctx, while all who have a copy are busy, or the
// first few have not got theirs. What next returns is given back with done.
func (s *spread) next(ctx context.Context) (*holder, error) {
	for {
		s.mu.Lock()
		if s.failed >= maxFailed || s.direct < maxDirect {
			s.direct++
			s.flying++
			s.mu.Unlock()
			return nil, nil
		}
		var best *holder
		for _, h := range s.holders {
			if h.load < maxGiven && (best == nil || h.load < best.load) {
				best = h
			}
		}
		if best != nil {
			best.load++
			s.flying++
			s.mu.Unlock()
			return best, nil
		}
		if s.flying == 0 { // nobody has it, and nobody will
			s.direct++
			s.flying++
			s.mu.Unlock()
			return nil, nil
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// instead counts a copy that the launcher sends because the one that next promised could not be had.
func (s *spread) instead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.direct++
}

// outcome is how it went with a copy that next has promised.
type outcome int

const (
	outcomeGot    outcome = iota
	outcomeUnable         // the host has no means to fetch it
	outcomeBroken         // it did not come from the one who was to pass it on
)

// done gives back what next has returned. now is the host itself, where it has a copy and can pass it on; else nil.
func (s *spread) done(from *holder, how outcome, now *holder) {
	s.mu.Lock()
	s.flying--
	if from != nil {
		from.load--
	}
	switch how {
	case outcomeUnable:
		s.failed++
	case outcomeBroken:
		if i := slices.Index(s.holders, from); i >= 0 { // the first who tells
			s.failed++
			s.holders = slices.Delete(s.holders, i, i+1)
		}
	case outcomeGot:
	}
	if now != nil {
		now.spread = s
		s.holders = append(s.holders, now)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if from != nil {
		from.rest()
	}
}

// busy says whether anybody gets a copy from h.
func (s *spread) busy(h *holder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return h.load > 0
}
