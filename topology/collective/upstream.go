package collective

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

const (
	// attachPatience is how long a member takes to answer before it counts as gone: one whose turn is taken for longer is read from no more.
	attachPatience = 5 * time.Second
	// nearFirst is how long a new reader asks the nearest member alone, who may be about to begin too: so that those who begin together
	// find their places before data flows.
	nearFirst = 200 * time.Millisecond
	// grantPublished is how many bytes are given back at a time.
	grantPublished = windowBytes / 4
	// stillAsks is how often the member above may say that it has sent all it has while something is missing here, and nothing comes, before
	// the two begin anew: something was lost.
	stillAsks = 6
	// lateLetters is the same while it has sent more than has come: mostly that is on its way.
	lateLetters = 60
)

// An upstream is what a member knows of the one from which it reads.
type upstream struct {
	rank    int // -1: none
	session uint64
	got     uint64   // letters, in the session
	owed    int      // bytes taken that were not granted back
	offer   *edition // the newest that was offered and not looked at
	instead bool     // and what was under way is not sent any more
	has     bool     // it is to be told what this member has
	move    int      // read from that one instead; -1: no
	gone    bool     // it said so
}

func (p *publication) fromAboveLocked(l letter, payload []byte) error {
	up := &p.up
	up.got++
	switch l.kind {
	case letterOffer:
		e, err := readEdition(slices.Clone(payload))
		if err != nil {
			return err
		}
		up.offer, up.instead = e, up.instead || l.flags&letterInstead != 0
	case letterChunk:
		up.owed += letterSize + len(payload)
		e := p.newest
		if e == nil || e.number != l.number || e.whole || e.have == nil {
			return nil // of one that was given up
		}
		if l.index >= e.count() || len(payload) != e.length(l.index) {
			return fmt.Errorf("%w: %d bytes for chunk %d of %d", errMessage, len(payload), l.index, e.count())
		}
		if e.have[l.index] {
			return nil
		}
		copy(e.bytes(l.index), payload)
		e.have[l.index] = true
		p.stats.ReceivedBytes += uint64(len(payload))
		if e.left--; e.left == 0 {
			p.completeLocked(e)
		}
	case letterEnd:
		p.endedLocked()
	case letterMove:
		if l.index >= p.m.plan.shape.Len() {
			return fmt.Errorf("%w: member %d of %d", errMessage, l.index, p.m.plan.shape.Len())
		}
		up.move = l.index
	case letterGone:
		up.gone = true
	default:
		return fmt.Errorf("%w: a letter of kind %d from above", errMessage, l.kind)
	}
	return nil
}

// completeLocked makes the edition on its way the one that readers get.
func (p *publication) completeLocked(e *edition) {
	if !e.whole { // one that is shared never changes
		e.whole = true
	}
	p.whole, p.newest, p.up.has = e, e, true
	p.stats.Versions++
}

// endedLocked notes that the publisher has closed, and that nobody is left to read from: what is on its way will not arrive, and those below
// are not to wait for it.
func (p *publication) endedLocked() {
	p.ended = true
	if part := p.arrivingLocked(); part != nil {
		part.dropped = true
		p.stats.Abandoned++
		p.heardLocked(part.number, part.instance) // another may have been told of it: whoever publishes next counts from there
		p.newest = p.whole
	}
	p.ringLocked()
}

// arrivingLocked is the edition on its way, or nil.
func (p *publication) arrivingLocked() *edition {
	if p.newest == nil || p.newest.whole {
		return nil
	}
	return p.newest
}

// A lead is where to go next.
type lead struct {
	next int // -1: to the nearest
	lost int // who does not answer; -1: nobody
	// From whom it read, and who is to be told when it has found another; session 0: nobody.
	leaving int
	session uint64
}

var anywhere = lead{next: -1, lost: -1}

// follow reads from above until the publication ends.
func (p *publication) follow() {
	near := time.Now().Add(nearFirst)
	to := anywhere
	for p.ctx.Err() == nil {
		if p.find(to, near) {
			if to.session != 0 {
				_ = p.tell(to.leaving, letter{kind: letterLeave, session: to.session}, nil)
			}
			to = p.read()
		}
	}
}

// find goes to a member that can be read from, the nearest unless it is led elsewhere. It is false when the publication has ended.
func (p *publication) find(to lead, near time.Time) bool {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, askMost) {
		if p.tryAll(to, time.Now().Before(near)) {
			return true
		}
		to.next, to.lost = -1, -1
		select {
		case <-time.After(pause):
		case <-p.ctx.Done():
			return false
		}
	}
}

func (p *publication) tryAll(to lead, near bool) bool {
	var avoid []int
	ended := false  // says the publisher, or somebody who leaves when it has: then others may have its last version yet
	leaves := false // somebody who has not heard that
	if to.lost >= 0 {
		avoid = append(avoid, to.lost)
	}
	candidates := p.lineage.candidates(p.m.rank)
	if near {
		candidates = candidates[:1]
	}
	if to.next >= 0 {
		candidates = slices.Insert(candidates, 0, to.next)
	}
	for steps := 2*p.m.plan.shape.Len() + 2; len(candidates) > 0 && steps > 0 && p.ctx.Err() == nil; steps-- {
		rank := candidates[0]
		candidates = candidates[1:]
		if slices.Contains(avoid, rank) {
			continue
		}
		answer, err := p.come(rank, avoid)
		instead := answer.Instead - 1
		switch {
		case err != nil:
			avoid = append(avoid, rank)
		case answer.Here:
			return true
		case instead >= 0 && instead < p.m.plan.shape.Len() && p.lineage.before(instead, p.m.rank):
			candidates = slices.Insert(candidates, 0, instead, rank)
		default: // others may still think that it is
			avoid = append(avoid, rank)
			ended, leaves = ended || answer.Ended, leaves || answer.Leaves
		}
	}
	if ended && !leaves && !near {
		p.mu.Lock()
		p.endedLocked()
		p.mu.Unlock()
	}
	return false
}

// come begins a session with a member.
func (p *publication) come(rank int, avoid []int) (Attached, error) {
	p.mu.Lock()
	p.up = upstream{rank: rank, session: rand.Uint64() | 1, move: -1}
	a := p.attachLocked()
	p.mu.Unlock()
	a.Avoid = avoid
	ctx, cancel := context.WithTimeout(p.ctx, attachPatience)
	defer cancel()
	answer, err := actor.Call(ctx, p.m.ref(p.ctx, rank), Port.CollectiveAttach, a)
	if err == nil && answer.Here {
		return answer, nil
	}
	if err != nil && !isGone(err) {
		p.leave() // it may yet come to the question
	}
	p.mu.Lock()
	p.up = upstream{rank: -1}
	p.mu.Unlock()
	return answer, err
}

func (p *publication) attachLocked() Attach {
	a := Attach{Root: p.key.root, Name: p.key.name, From: p.m.rank, Session: p.up.session, Avoid: []int{}}
	a.Seen, a.Instance = p.seenLocked()
	return a
}

// leave ends the session.
func (p *publication) leave() {
	p.mu.Lock()
	rank, session := p.up.rank, p.up.session
	p.up = upstream{rank: -1}
	p.mu.Unlock()
	if rank >= 0 {
		_ = p.tell(rank, letter{kind: letterLeave, session: session}, nil) // who does not hear it finds out by the silence
	}
}

// read does what the member above gives cause for, until it is to be read from no more.
func (p *publication) read() lead {
	defer p.leave()
	w := &watch{p: p, pause: askAfter, timer: time.NewTimer(askAfter)}
	defer w.stop()
	for {
		p.mu.Lock()
		up := p.up
		arriving := p.arrivingLocked()
		switch {
		case p.over:
			p.mu.Unlock()
			return anywhere
		case up.gone:
			p.up = upstream{rank: -1}
			p.mu.Unlock()
			return lead{-1, -1, up.rank, up.session}
		case up.move >= 0 && arriving == nil && up.offer == nil:
			p.up.move = -1
			if p.lineage.before(up.move, p.m.rank) {
				p.up = upstream{rank: -1} // which it leaves when it has come to the other, so that nobody believes it gone meanwhile
				p.mu.Unlock()
				return lead{up.move, -1, up.rank, up.session}
			}
			p.mu.Unlock()
		case up.offer != nil && (up.instead || arriving == nil):
			p.up.offer, p.up.instead = nil, false
			p.mu.Unlock()
			if err := p.begin(up.offer); err != nil {
				return anywhere
			}
		case up.has, up.owed >= grantPublished:
			l := letter{kind: letterGrant, session: up.session, credit: uint64(up.owed)}
			if up.has {
				l.kind, l.number = letterHas, p.whole.number
			}
			p.up.owed, p.up.has = 0, false
			p.mu.Unlock()
			if err := p.tell(up.rank, l, nil); err != nil {
				return anywhere
			}
		default:
			bell := p.bellLocked()
			p.mu.Unlock()
			if to, over := w.wait(bell); over {
				return to
			}
		}
	}
}

// begin makes an edition that the member above has offered the one on its way, unless this member has as new a one.
func (p *publication) begin(e *edition) error {
	p.mu.Lock()
	up := p.up
	part, whole := p.arrivingLocked(), p.whole
	switch {
	case part != nil && part.number == e.number && part.instance == e.instance: // go on with it
		want := missing(part.have)
		p.mu.Unlock()
		return p.tell(up.rank, letter{kind: letterWant, session: up.session, number: e.number}, want)
	case p.newest != nil && e.number <= p.newest.number:
		l := letter{kind: letterHas, flags: letterInstead, session: up.session}
		if whole != nil {
			l.number = whole.number
		}
		p.mu.Unlock()
		return p.tell(up.rank, l, nil)
	case part != nil:
		part.dropped = true
		p.stats.Abandoned++
	}
	p.newest, p.ended = e, false
	p.ringLocked() // those below hear of it at once
	p.mu.Unlock()
	if p.share(e, up.rank) {
		return nil
	}
	blob, have := e.fill(whole, part)
	p.mu.Lock()
	e.blob, e.have = blob, have
	for _, there := range have {
		if there {
			e.left--
		}
	}
	if e.left == 0 {
		p.completeLocked(e) // which the member above is told
	}
	p.ringLocked()
	p.mu.Unlock()
	if want := missing(have); len(want) > 0 {
		return p.tell(up.rank, letter{kind: letterWant, session: up.session, number: e.number}, want)
	}
	return nil
}

// share takes an edition from another member of this host without copying it, where that is in the memory of this process.
func (p *publication) share(e *edition, from int) bool {
	if !p.lineage.sameHost(p.m.rank, from) {
		return false
	}
	theirs, _ := p.m.plan.publication(publicationKey{from, p.key.root, p.key.name})
	if theirs == nil {
		return false
	}
	theirs.mu.Lock()
	whole := theirs.whole
	theirs.mu.Unlock()
	if whole == nil || whole.number != e.number || whole.instance != e.instance {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.completeLocked(whole)
	p.ringLocked()
	return true
}
