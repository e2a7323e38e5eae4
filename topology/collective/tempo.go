package collective

import "time"

// How a member finds out in a broadcast that one below it is slow: by how long that takes for a grant's worth of chunks, beside how long its own took to come.

const (
	// slowFactor is how many times longer than this member's own chunks those of the one below must take, slowSteps grants in a row and for
	// slowLeast, before it counts as slow; and for one in slowShare of the time that the operation is expected to take.
	slowFactor = 4
	// rootFactor is the same where there are no chunks come to compare with, at the root, or only such as came inside of the host and the one below is on
	// another: it takes the fastest that it has been able to send before, and adds a part in swiftFade with each operation. Links change: without that, one
	// that has become slower would count as slow members for ever.
	rootFactor = 6
	swiftFade  = 4
	slowSteps  = 2
	slowLeast  = 40 * time.Millisecond
	slowShare  = 16
	// slowBehind is how much there must be that the slow one does not have, and how much must be left to send, for this to be worth the while.
	slowBehind = 2 * windowBytes
	// slowMost is how many a member sends to the root in one operation: where there are more, it is slow itself.
	slowMost = 2
	// swiftSteps is how many grants in a row tell how fast a member can send.
	swiftSteps = 8
)

// came notes that so many chunks are there, the last from a member.
func (s *spread) came(n, from int) {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	if s.shifts.allowed {
		s.shifts.inside = s.shifts.inside || s.isInside(from)
		s.shifts.last = time.Now()
		if n == 1 {
			s.shifts.first = s.shifts.last
		}
	}
	s.o.marks[s.have] = n
	s.o.m.ringLocked()
}

// A tempo is how fast a member below takes its chunks.
type tempo struct {
	s       *spread
	step    int       // bytes of a chunk that has gone, since the last grant was due
	began   time.Time // when that was
	steps   int
	slow    int           // steps in a row that took too long
	slowFor time.Duration // these
	stretch time.Duration // of the last up to swiftSteps steps
}

func (s *spread) beginServing() *tempo {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	s.shifts.serving++
	return &tempo{s: s}
}

// isInside tells whether a member is on this one's host.
func (s *spread) isInside(rank int) bool {
	shape := s.o.m.plan.shape
	host := shape.Member(rank).Host
	return host != "" && host == shape.Member(s.o.m.rank).Host
}

// fade has this member believe a little less in how fast it has been.
func (s *spread) fade() {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	if s.shifts.timed {
		for i, swift := range s.o.m.swift {
			s.o.m.swift[i] = swift + swift/swiftFade
		}
	}
}

func (s *spread) endServing() {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	s.shifts.serving--
}

// isSlow notes that a member has room for chunk i, and tells whether it is to be served by the root.
func (t *tempo) isSlow(child, i int) bool {
	s := t.s
	m := s.o.m
	each := headerSize + s.data.size
	if left := (s.data.count() - i) * each; left < slowBehind && t.steps == 0 {
		return false // too little for all of this
	}
	t.step += each
	if t.step < grantBytes {
		return false
	}
	now := time.Now()
	took := now.Sub(t.began)
	t.began, t.step = now, 0
	if t.steps++; t.steps <= windowBytes/grantBytes+1 {
		return false // these had room at once
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	swift := &m.swift[0]
	if s.isInside(child) {
		swift = &m.swift[1]
	}
	if t.stretch += took; (t.steps-windowBytes/grantBytes-1)%swiftSteps == 0 {
		if each := t.stretch / time.Duration(swiftSteps*s.shifts.serving); *swift == 0 || each < *swift {
			*swift = each
		}
		t.stretch, s.shifts.timed = 0, true
	}
	have := s.o.marks[s.have]
	own, factor := *swift, rootFactor
	if s.tree.parent[m.rank] >= 0 && (!s.shifts.inside || s.isInside(child)) {
		own = s.shifts.last.Sub(s.shifts.first) * time.Duration((grantBytes+each-1)/each) / time.Duration(max(1, have-1))
		factor = slowFactor
	}
	behind, left := (have-i)*each, (s.data.count()-i)*each
	if own == 0 || took < time.Duration(factor*s.shifts.serving)*own || behind < windowBytes {
		t.slow, t.slowFor = 0, 0
		return false
	}
	t.slow++
	t.slowFor += took
	patience := max(slowLeast, own*time.Duration(s.data.count()*each/grantBytes)/slowShare)
	useful := s.tree.parent[m.rank] >= 0 || len(s.tree.children[child]) > 0
	if !s.shifts.allowed || s.shifts.closing || !useful || t.slow < slowSteps || t.slowFor < patience || behind < slowBehind || left < slowBehind || s.shifts.handsTo >= slowMost {
		return false
	}
	s.shifts.handsTo++
	return true
}
