package collective

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
)

// publicationKey names what is published, at one member.
type publicationKey struct {
	rank, root int
	name       string
}

// A publication is what one member has of what another publishes, or publishes itself: its editions, those who read from it and from whom it
// reads. Handlers of messages note what came and never wait; a goroutine for each reader sends, and one reads.
type publication struct {
	m       *Member
	ctx     context.Context // the node's: what is sent goes out under it
	cancel  context.CancelCauseFunc
	key     publicationKey
	lineage *lineage
	group   sync.WaitGroup // of its goroutines

	instance uint64 // the publisher's own; 0 at readers

	making sync.Mutex // held while a version is made

	mu      sync.Mutex
	bell    chan struct{} // closed when something has changed; nil: nobody waits
	newest  *edition      // whole, or on its way; nil: none yet
	whole   *edition      // the newest that is whole
	served  map[uint64]*served
	up      upstream
	seen    uint64    // the highest number that those below know
	seenOf  uint64    // whose that is
	count   uint64    // the publisher's versions
	number  uint64    // of the last of them
	ended   bool      // nothing newer will come, as far as is known
	closing bool      // nobody new may read from it
	over    bool      // its goroutines end
	orphans time.Time // until then those may come that read from a member that was lost
	stats   PublishStats
}

// PublishStats is what a member has had to do with a publication, since [NewPublisher] or [NewReader].
type PublishStats struct {
	Versions      uint64 // that were whole here
	Abandoned     uint64 // that had begun to arrive, and were replaced
	SentBytes     uint64 // of data, to other members
	ReceivedBytes uint64
	Readers       int // that read from this member now
}

// open makes a publication of this member's known to the others.
func (m *Member) open(ctx context.Context, key publicationKey, instance uint64) (*publication, error) {
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if key.root < 0 || key.root >= m.plan.shape.Len() {
		return nil, fmt.Errorf("%w: the publisher, %d, is no member: there are %d", ErrArgument, key.root, m.plan.shape.Len())
	}
	// The way that suits large data.
	trees, err := m.plan.treesFor(m.plan.resolve(ByShape, opStream, 0), key.root)
	if err != nil {
		return nil, err
	}
	p := &publication{
		m: m, key: key, lineage: newLineage(&trees[0], m.plan.shape.Members()), instance: instance,
		served: map[uint64]*served{}, up: upstream{rank: -1},
	}
	m.plan.mu.Lock()
	defer m.plan.mu.Unlock()
	if m.plan.published[key] != nil {
		return nil, fmt.Errorf("%w: %s has %q open already", ErrBusy, m.plan.name(m.rank), key.name)
	}
	if m.plan.published == nil {
		m.plan.published, m.plan.over = map[publicationKey]*publication{}, map[publicationKey]bool{}
	}
	m.plan.published[key] = p
	delete(m.plan.over, key)
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	context.AfterFunc(p.ctx, p.forget)
	return p, nil
}

// publication finds what a member of this process and plan has of one.
func (p *plan) publication(key publicationKey) (found *publication, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.published[key], p.over[key]
}

// forget frees what the publication holds, once its context is over.
func (p *publication) forget() {
	plan := p.m.plan
	plan.mu.Lock()
	if plan.published[p.key] == p {
		delete(plan.published, p.key)
	}
	plan.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.newest, p.whole, p.served = nil, nil, nil
	p.ringLocked()
}

// end ends the publication's goroutines, and waits for them.
func (p *publication) end() {
	p.cancel(errClosed)
	p.forget() // from here on none is begun
	p.group.Wait()
}

// drain waits until all readers have what there is and know of the end. From then on nobody new may come. The end of the publication's own
// context is an error, unless it was closed before.
func (p *publication) drain(ctx context.Context) error {
	for {
		var late time.Duration
		var over bool
		err := p.until(ctx, func() bool {
			if over = p.ctx.Err() != nil; over { // whom it served is, or will be, forgotten
				return true
			}
			for _, s := range p.served {
				if !s.told {
					return false
				}
			}
			late = time.Until(p.orphans)
			p.closing = late <= 0
			return true
		})
		if cause := context.Cause(p.ctx); over && !errors.Is(cause, errClosed) {
			return cause
		}
		if err != nil || late <= 0 {
			return err
		}
		select {
		case <-time.After(late):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dismiss tells those that read from this member to turn to others, and waits for a while until they have. It reports whether the publisher has closed
// before: then they may find nobody else, and come again.
func (p *publication) dismiss(ctx context.Context) (ended bool) {
	p.mu.Lock()
	p.closing = true
	var all []*served
	for _, s := range p.served {
		if !s.told {
			all = append(all, s)
		}
	}
	p.mu.Unlock()
	for _, s := range all {
		_ = p.tell(s.rank, letter{kind: letterGone, session: s.session}, nil) // who does not hear it finds out by asking
	}
	ctx, cancel := context.WithTimeout(ctx, dismissPatience)
	defer cancel()
	_ = p.until(ctx, func() bool {
		stays := !p.over && slices.ContainsFunc(all, func(s *served) bool { return !s.gone })
		ended = stays && p.ended
		return ended || !stays
	})
	return ended
}

// reopen has those come again that were told to turn to others.
func (p *publication) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = false
	p.orphans = time.Now().Add(orphanPatience)
}

func (p *publication) statsNow() PublishStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Readers = len(p.served)
	return s
}

func (p *publication) ringLocked() {
	if p.bell != nil {
		close(p.bell)
		p.bell = nil
	}
}

func (p *publication) bellLocked() <-chan struct{} {
	if p.bell == nil {
		p.bell = make(chan struct{})
	}
	return p.bell
}

// until waits until ready, which is called with the lock held, returns true.
func (p *publication) until(ctx context.Context, ready func() bool) error {
	for {
		p.mu.Lock()
		if ready() {
			p.mu.Unlock()
			return nil
		}
		bell := p.bellLocked()
		p.mu.Unlock()
		select {
		case <-bell:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// seenLocked is the highest number of a version that is known here, and whose that is.
func (p *publication) seenLocked() (number, instance uint64) {
	if p.newest != nil && p.newest.number >= p.seen {
		return p.newest.number, p.newest.instance
	}
	return p.seen, p.seenOf
}

// heardLocked notes what those below know. A publisher that was started again goes on counting from there.
func (p *publication) heardLocked(number, instance uint64) {
	if number > p.seen {
		p.seen, p.seenOf = number, instance
	}
	if p.instance == 0 || instance == p.instance || number < p.number || number == 0 {
		return
	}
	p.number = number
	if p.newest == nil {
		return
	}
	again, err := p.newest.renumbered(number + 1)
	if err != nil {
		return // what was encoded once always encodes
	}
	p.number++
	p.newest, p.whole = again, again
	p.ringLocked()
}

// CollectiveAttach lets another member read a publication from this one. It is called by members alone.
func (m *Member) CollectiveAttach(ctx context.Context, a Attach) (Attached, error) {
	if m.plan == nil {
		return Attached{}, fmt.Errorf("%w: %s has not joined one, or its group was not sealed", ErrGroup, actor.Self(ctx))
	}
	n := m.plan.shape.Len()
	if a.Root < 0 || a.Root >= n || a.From < 0 || a.From >= n || a.From == m.rank || a.Session == 0 || len(a.Avoid) > n || a.Seen > mostVersions {
		return Attached{}, fmt.Errorf("%w: member %d of %d comes for what %d publishes", errMessage, a.From, n, a.Root)
	}
	p, over := m.plan.publication(publicationKey{m.rank, a.Root, a.Name})
	if p == nil {
		return Attached{Ended: over}, nil
	}
	return p.attach(a), nil
}

func (p *publication) attach(a Attach) Attached {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return Attached{}
	}
	defer p.heardLocked(a.Seen, a.Instance)
	s := p.served[a.Session]
	switch {
	case s != nil:
		s.heard = time.Now()
	case p.closing || !p.lineage.before(p.m.rank, a.From):
		return Attached{Ended: p.ended, Leaves: p.closing && !p.ended && p.instance == 0}
	default:
		var readers []int
		for session, other := range p.served {
			if other.rank == a.From { // it has begun anew
				p.dropLocked(session)
			} else {
				readers = append(readers, other.rank)
			}
		}
		next, moved := p.lineage.instead(p.m.rank, a.From, readers, a.Avoid)
		if next >= 0 {
			return Attached{Instead: next + 1}
		}
		for _, other := range p.served {
			if slices.Contains(moved, other.rank) {
				other.move = a.From
			}
		}
		s = &served{rank: a.From, session: a.Session, heard: time.Now(), move: -1, fresh: true}
		p.served[a.Session] = s
		p.group.Go(func() { p.serve(s) })
		p.ringLocked()
	}
	answer := Attached{Here: true, Fresh: s.fresh, Sent: s.sent}
	s.fresh = false
	if best := p.bestLocked(s.rank); best != nil {
		answer.Number = best.number
	}
	return answer
}

// CollectiveLetter takes what another member says about a publication. It is called by members alone.
func (m *Member) CollectiveLetter(ctx context.Context, message []byte) error {
	if m.plan == nil {
		return fmt.Errorf("%w: %s has not joined one, or its group was not sealed", ErrGroup, actor.Self(ctx))
	}
	l, payload, err := readLetter(message)
	if err != nil {
		return err
	}
	for _, p := range m.plan.publicationsOf(m.rank) {
		if known, err := p.take(l, payload); known {
			return err
		}
	}
	return nil // of a session that is over
}

// publicationsOf are those of a member.
func (p *plan) publicationsOf(rank int) (all []*publication) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, one := range p.published {
		if key.rank == rank {
			all = append(all, one)
		}
	}
	return all
}

// take notes a letter; known tells whether it is of one of this publication's sessions.
func (p *publication) take(l letter, payload []byte) (known bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false, nil
	}
	if p.up.rank >= 0 && l.session == p.up.session && l.kind < letterWant {
		defer p.ringLocked()
		return true, p.fromAboveLocked(l, payload)
	}
	if s := p.served[l.session]; s != nil && l.kind >= letterWant {
		defer p.ringLocked()
		s.heard = time.Now()
		return true, p.fromBelowLocked(s, l, payload)
	}
	return false, nil
}

// tell sends a letter to a member; of the session it is the next.
func (p *publication) tell(to int, l letter, payload []byte) error {
	message := pool.Get(letterSize + len(payload))
	l.put(*message)
	copy((*message)[letterSize:], payload)
	ctx := p.ctx
	if ctx.Err() != nil { // a last word
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
		defer cancel()
		ctx = limited
	}
	err := actor.Give(ctx, p.m.ref(ctx, to), Port.CollectiveLetter, *message)
	if err != nil {
		pool.Put(message)
	}
	return err
}

// ErrEnded: there is nothing newer to read, as the publisher has closed; or this reader or publisher was closed itself, or its context is over.
var ErrEnded = errors.New("collective: the publication has ended")

// errClosed is why a publication's context is over when Close was called.
var errClosed = errors.New("it was closed")
