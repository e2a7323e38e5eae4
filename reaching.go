package tlaunch

// reaching is how far hosts have come in linking with each other: the
// decisions, without clock and network.
type reaching struct {
	pairs []hostPair
	state map[hostPair]*pairState
	open  int // pairs that are not over
}

type pairState struct {
	mutual  bool // each needs the other: either may open the link
	other   bool // the second host was told to try too
	waiting int  // reports to come
	over    bool
	failed  *PairError // the first failure
}

func newReaching(pairs []hostPair, needs map[hostPair]bool) *reaching {
	r := &reaching{pairs: pairs, state: map[hostPair]*pairState{}, open: len(pairs)}
	for _, p := range pairs {
		r.state[p] = &pairState{mutual: needs[p.reverse()], waiting: 1}
	}
	return r
}

// first is who is told to link with whom at the beginning.
func (r *reaching) first() []hostPair { return r.pairs }

// take takes a result and returns who else is to try.
func (r *reaching) take(result reachResult) []hostPair {
	if result.ended {
		for p, s := range r.state {
			if p.from == result.from || p.to == result.from {
				s.failed = nil
				r.finish(s)
			}
		}
		return nil
	}
	way := hostPair{result.from, result.Host}
	p := way
	s := r.state[p]
	if s == nil {
		p = way.reverse()
		s = r.state[p]
	}
	switch {
	case s == nil || s.over || s.waiting == 0:
		return nil
	case result.Obstacle == obstacleNone:
		s.failed = nil
		r.finish(s)
		return nil
	}
	s.waiting--
	if s.failed == nil {
		s.failed = &PairError{
			From: way.from, To: way.to, Cause: result.Cause, Remedy: result.Obstacle.remedy(way.to), obstacle: result.Obstacle,
		}
	}
	again := r.reverse(p, s)
	if s.waiting == 0 {
		r.finish(s)
	}
	return again
}

// reverse lets the second host of a pair try too, where that helps.
func (r *reaching) reverse(p hostPair, s *pairState) []hostPair {
	if s.over || s.other || !s.mutual {
		return nil
	}
	s.other = true
	s.waiting++
	return []hostPair{p.reverse()}
}

// reverseAll lets the second hosts of all pairs try that are open.
func (r *reaching) reverseAll() []hostPair {
	var more []hostPair
	for _, p := range r.pairs {
		more = append(more, r.reverse(p, r.state[p])...)
	}
	return more
}

// giveUp ends the waiting.
func (r *reaching) giveUp() {
	for p, s := range r.state {
		if s.over {
			continue
		}
		r.finish(s)
		if s.failed == nil {
			s.failed = &PairError{
				From: p.from, To: p.to, Cause: p.from + " did not say in time whether it does", Remedy: obstacleNoWord.remedy(p.to), obstacle: obstacleNoWord,
			}
		}
	}
}

func (r *reaching) finish(s *pairState) {
	if !s.over {
		s.over = true
		r.open--
	}
}

func (r *reaching) settled() bool { return r.open == 0 }

// failures are in the order of the pairs.
func (r *reaching) failures() []*PairError {
	var failed []*PairError
	for _, p := range r.pairs {
		if e := r.state[p].failed; e != nil {
			failed = append(failed, e)
		}
	}
	return failed
}
