package remote

import (
	"slices"
	"time"
)

// In which order the ends of links are told, and what comes on them: all of a link, its end, all of the next one with the same address.

// endingPatience is how long a link waits for the end of those before it to be told.
const endingPatience = time.Second

// awaitReader waits until what has come was handled: whoever is told of the end shall not see messages after it. A process that holds the
// reader longer than lastWord gets what it has; the rest is dropped.
func (l *link) awaitReader() {
	if l.handled == nil {
		return
	}
	timer := time.NewTimer(lastWord)
	defer timer.Stop()
	select {
	case <-l.handled:
	case <-timer.C:
		l.abandoned.Store(true)
	}
}

// awaitEndings waits until Config.Down was told of the links before l, which is up: what comes on l is not of their time, and would be taken for
// lost with them. Whoever is told and takes long has to bear that.
func (p *peer) awaitEndings(l *link) {
	p.mu.Lock()
	before := slices.Clone(p.ending)
	for _, o := range p.links {
		if o != l && o.isOver() {
			before = append(before, o)
		}
	}
	p.mu.Unlock()
	if len(before) == 0 {
		return
	}
	timer := time.NewTimer(endingPatience)
	defer timer.Stop()
	for _, o := range before {
		select {
		case <-o.told:
		case <-l.over:
			return
		case <-timer.C:
			return
		}
	}
}

func (l *link) isOver() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}
