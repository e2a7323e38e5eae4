package collective

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

const (
	// askAfter is how long a member waits for another before it asks how far that one is: then ever less often, up to askMost. A member
	// that has died is known to be dead by the answer.
	askAfter = 50 * time.Millisecond
	askMost  = time.Second
	// idleAsks is how often a member may say that it has done its part, while nothing more arrives of it, before that counts as lost.
	idleAsks = 6
	// lateAsks is the same while it has sent more than has come: that is on its way, or waits for the node's turn, which a method may take for
	// long. It ends at all since a link that was given up may be back without what it carried.
	lateAsks = 300
	// roundBits is how many of an operation's number count its rounds: attempts, and agreements between them.
	roundBits = 16
	// abortPatience is how long a member that has failed takes to tell the others.
	abortPatience = 2 * time.Second
)

// An op is one round of an operation at one member.
type op struct {
	m        *Member
	ctx      context.Context
	seq      uint64 // operations are counted above roundBits
	sig      signature
	restarts []int  // of the others, when the operation began
	gone     []int  // members without whom it was begun
	repairs  bool   // it goes on without members that end
	onward   bool   // another round follows; true from its end on where it fails for one that is gone
	have     bool   // this member has its result; of an agreement: it is certain for all
	result   []byte // kept for others
	saved    *savings

	// Guarded by m.mu.
	err     error            // why it failed
	tell    bool             // the others are to be told
	marks   []int            // see mark
	missing map[int]error    // members without whom it was done; nil errors where another has noticed
	verdict []byte           // of an agreement
	given   map[int]bool     // see giveUp
	claimed int              // see claimLocked
	named   []int            // see name
	shut    map[slotKey]bool // streams of which nothing is wanted any more
	ways    map[wayKey]*lane // how streams to others go; nil: over the link

	hearing sync.WaitGroup // of those who hear grants of lanes
}

// count is the number of the operation among those of the group.
func (o *op) count() uint64 { return o.seq >> roundBits }

// nextSeq is the first round of the operation behind that of another round.
func nextSeq(seq uint64) uint64 { return (seq>>roundBits + 1) << roundBits }

// begin makes the next operation of a member the one under way, or the next round of last, without those who are gone. It has failed already with an error, unless that is nil.
func (m *Member) begin(ctx context.Context, last *op, gone []int, sig signature, failed error) (*op, error) {
	if last == nil {
		if err := m.usable(ctx); err != nil {
			return nil, err
		}
		if err := m.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readyLocked()
	if m.current != nil {
		return nil, fmt.Errorf("%w: %s is in a %s", ErrBusy, m.plan.name(m.rank), m.current.sig.op)
	}
	sig.members, sig.big = uint32(m.plan.shape.Len()), bigEndian
	o := &op{m: m, ctx: ctx, sig: sig, gone: gone}
	switch {
	case last == nil:
		m.seq = nextSeq(m.seq)
		m.inMethods = m.inMethods || actor.InMethod(ctx)
		for rank := range m.edges {
			o.restarts = append(o.restarts, m.edges[rank].restarts)
		}
	case m.seq != last.seq:
		return nil, fmt.Errorf("%w: %s has begun another", ErrBusy, m.plan.name(m.rank))
	default:
		m.seq++
		o.restarts = last.restarts
	}
	o.seq, m.current = m.seq, o
	if failed != nil {
		o.failLocked(failed, true)
	}
	if m.rejoins {
		o.failLocked(m.rejoinErrorLocked(), false)
	}
	if err := ctx.Err(); err != nil {
		o.failLocked(err, true)
	}
	if f := m.aborts[o.seq]; f != nil {
		o.failLocked(f.err(), false)
	}
	for k, s := range m.slots {
		if k.seq == o.seq && len(s.queue) > 0 && s.queue[0].sig != sig && !slices.Contains(gone, k.from) {
			o.failLocked(m.disagreement(k.from, s.queue[0].sig, sig), true)
		}
	}
	return o, nil
}

// usable says why the member cannot act under ctx, or nil.
func (m *Member) usable(ctx context.Context) error {
	self := actor.Self(ctx)
	switch {
	case m.plan == nil:
		return fmt.Errorf("%w: %s has not joined one with Join, or Seal was not called", ErrGroup, self)
	case self != m.plan.name(m.rank):
		return fmt.Errorf("%w: the context is that of %q, and the member is %s: use the one that its Run was given", ErrGroup, self, m.plan.name(m.rank))
	}
	own := m.ownRef(ctx)
	if !actor.InMethod(ctx) && !actor.Stopped(ctx) {
		return nil
	}
	// Whatever the others send comes through the node's own mailbox, whose turn this method has.
	_, err := actor.Call(ctx, own, Port.CollectiveAsk, Probe{From: m.rank, Instance: m.instance})
	if errors.Is(err, actor.ErrDeadlock) {
		return fmt.Errorf("%w: nothing could arrive at %s: call it from Run, or add the node with Concurrent(2)", ErrTurn, self)
	}
	if ctx.Err() != nil {
		return nil // the operation is begun and ends for all: they count it too
	}
	return err
}

func (m *Member) ownRef(ctx context.Context) actor.Ref[Port] {
	m.mu.Lock()
	m.readyLocked()
	m.mu.Unlock()
	return m.ref(ctx, m.rank)
}

// end ends the round, and tells the others if it failed here. It returns err, or why the round failed before, with what and where
// it was.
func (o *op) end(err error) error {
	m := o.m
	if err != nil {
		o.fail(err)
	}
	o.leaveLanes()
	m.mu.Lock()
	err = o.err
	if o.repairs {
		o.onward = errors.Is(err, ErrMissing) && !errors.Is(err, errRejoins)
	} else if err != nil {
		o.onward = false // another has ended the agreement behind its verdict: who goes on by that is to hear that this one does not
	}
	was := past{sig: o.sig, verdict: o.verdict, onward: o.onward, result: o.result, through: err == nil && (o.sig.op != opAgree || o.have)}
	was.left = err != nil && actor.Stopped(o.ctx)
	if err != nil {
		was.failure = newFailure(m.plan.name(m.rank), err)
	}
	m.current = nil
	m.rememberLocked(o.seq, was)
	m.dropLocked(func(k slotKey) bool { return k.seq <= o.seq })
	tell, missing := o.tell && !was.left, o.missingLocked()
	due := m.dueLocked()
	m.mu.Unlock()
	m.grantAll(o.ctx, due)
	if tell {
		o.abort(was.failure)
	}
	if err == nil && !o.repairs {
		err = missing
	}
	if err != nil {
		return fmt.Errorf("operation %d, the %v, at %s: %w", o.count(), o.sig.op, m.plan.name(m.rank), err)
	}
	return nil
}

// missingLocked is the error that names those without whom the operation was done, or nil.
func (o *op) missingLocked() error {
	if len(o.missing) == 0 {
		return nil
	}
	e := &MissingError{Whole: true}
	for _, rank := range slices.Sorted(maps.Keys(o.missing)) {
		e.Members = append(e.Members, o.m.plan.name(rank))
		if e.Err == nil {
			e.Err = o.missing[rank]
		}
	}
	return e
}

// leaveOut notes members without whom the operation goes on.
func (o *op) leaveOut(err error, ranks ...int) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if o.missing == nil {
		o.missing = map[int]error{}
	}
	for _, rank := range ranks {
		if o.missing[rank] == nil {
			o.missing[rank] = err
		}
	}
}

// shutStream drops what has come of a stream, and what will: it takes no window that others of that member's streams need.
func (o *op) shutStream(from int, stream uint32) {
	o.m.mu.Lock()
	k := slotKey{o.seq, from, stream}
	if o.shut == nil {
		o.shut = map[slotKey]bool{}
	}
	o.shut[k] = true
	o.m.dropLocked(func(other slotKey) bool { return other == k })
	due := o.m.dueLocked()
	o.m.mu.Unlock()
	o.m.grantAll(o.ctx, due)
}

// abort tells all others that the operation has failed.
func (o *op) abort(f *failure) {
	payload, err := actor.Encode(*f)
	if err != nil {
		return // a failure is made of texts: it always encodes
	}
	h := header{kind: kindAbort, from: o.m.rank, seq: o.seq, sig: o.sig, instance: o.m.instance}
	message := make([]byte, headerSize, headerSize+len(payload))
	h.put(message)
	message = append(message, payload...)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), abortPatience)
	defer cancel()
	var group sync.WaitGroup
	for rank := range o.m.plan.shape.Len() {
		if rank != o.m.rank {
			group.Go(func() { _ = actor.Tell(ctx, o.m.ref(ctx, rank), Port.Collective, message) }) // who is not told asks
		}
	}
	group.Wait()
}

// fail ends what goes on in the operation, unless it has failed before.
func (o *op) fail(err error) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	var aborted *abortedError
	o.failLocked(err, !errors.As(err, &aborted))
}

func (o *op) failLocked(err error, tell bool) {
	if o.err != nil {
		return
	}
	var gone *goneError
	if errors.As(err, &gone) {
		err = &MissingError{Members: []string{gone.name}, Err: gone.err}
	}
	o.err, o.tell = err, tell
	o.m.ringLocked()
}

// each runs fs at once, and waits for all. The first error ends the others, and is returned.
func (o *op) each(fs ...func() error) error {
	if len(fs) == 1 {
		return fs[0]()
	}
	var group sync.WaitGroup
	errs := make([]error, len(fs))
	for i, f := range fs {
		group.Go(func() {
			if errs[i] = f(); errs[i] != nil {
				o.fail(errs[i])
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			o.m.mu.Lock()
			defer o.m.mu.Unlock()
			return o.err
		}
	}
	return nil
}

// wait waits until ready, which is called with the member's lock held, returns true. peer is for whom it waits, -1 for nobody of the others:
// its end ends the wait, as do that of the context and the failure of the operation.
func (o *op) wait(peer int, ready func() bool) error { return o.waitUnless(peer, idleAsks, ready) }

// waitUnless is wait that lasts until the other has said so often that it has done its part, without anything having come of it meanwhile.
func (o *op) waitUnless(peer, asks int, ready func() bool) error {
	m := o.m
	m.mu.Lock()
	if o.err == nil && ready() { // mostly
		m.mu.Unlock()
		return nil
	}
	m.mu.Unlock()
	pause := askAfter
	timer := time.NewTimer(o.firstAsk(peer))
	defer timer.Stop()
	var asked *actor.Future[Status]
	var answer <-chan struct{}
	defer func() {
		if asked != nil {
			asked.Cancel()
		}
	}()
	a := inquest{asks: asks}
	for {
		m.mu.Lock()
		switch {
		case o.err != nil:
			defer m.mu.Unlock()
			return o.err
		case ready():
			m.mu.Unlock()
			return nil
		case peer >= 0 && m.edges[peer].restarts != o.restarts[peer]:
			m.mu.Unlock()
			return &goneError{peer, m.plan.name(peer), errReplaced}
		}
		bell, due := m.bellLocked(), m.dueLocked()
		m.mu.Unlock()
		m.grantAll(o.ctx, due)
		select {
		case <-bell:
		case <-o.ctx.Done():
			return o.ctx.Err()
		case <-timer.C:
			if peer >= 0 {
				asked = actor.Go(o.ctx, m.ref(o.ctx, peer), Port.CollectiveAsk, o.probe(peer, &a))
				answer = asked.Done()
			}
		case <-answer:
			status, err := asked.Wait(o.ctx)
			if err == nil {
				_ = m.laneEnded(o.ctx, peer, status.Lane, status.Come) // whoever cannot be told is found to be gone
				err = o.heed(peer, &status, &a)
			}
			switch {
			case o.ctx.Err() != nil:
				return o.ctx.Err()
			case isGone(err):
				m.mu.Lock()
				come := o.err == nil && ready() // what it sent last, and its end, may be noticed in any order
				m.mu.Unlock()
				if come {
					return nil
				}
				return o.goneFor(peer, err)
			case err != nil:
				return err
			}
			answer = nil
			pause = min(2*pause, askMost)
			timer.Reset(pause)
		}
	}
}

// An inquest is what a member that waits for another has found out about it so far.
type inquest struct {
	asks      int    // how often it may say that it is through, see waitUnless
	idle      int    // how often it has
	got       uint64 // messages of it that had come by then
	sent      uint64 // messages that had gone to it when it was asked last
	suspected uint64 // of these, so many seem to be lost
	behind    int    // how often more was sent than has come, and nothing came
}

// firstAsk is how long a member waits for another before it asks: one that was found to be gone at once.
func (o *op) firstAsk(peer int) time.Duration {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if peer >= 0 && o.m.edges[peer].away {
		return 0
	}
	return askAfter
}

// probe is the next question for another member.
func (o *op) probe(peer int, a *inquest) Probe {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	e := &o.m.edges[peer]
	a.sent = e.sent
	return Probe{Seq: o.seq, From: o.m.rank, Instance: o.m.instance, Another: e.restarts > 0}
}

// goneFor is the error that says that another member is gone.
func (o *op) goneFor(peer int, err error) error {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.edges[peer].away = true
	return &goneError{peer, o.m.plan.name(peer), err}
}

// heed draws the conclusions from how far another member is.
func (o *op) heed(peer int, s *Status, a *inquest) error {
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metLocked(peer, s.Instance)
	e := &m.edges[peer]
	if e.restarts != o.restarts[peer] {
		return errReplaced
	}
	switch {
	case s.Another && m.joined == 0:
		m.rejoinLocked()
		return o.err
	case s.Where == whereFailed && len(s.Failure) > 0:
		return s.Failure[0].err()
	case s.Where == whereThrough && o.sig.op == opAgree:
		if o.verdict == nil {
			o.verdict = s.Verdict
			m.ringLocked()
		}
		return nil
	case s.Where == whereThrough:
		return errReplaced
	}
	sig := readSignature(s.Sig[:])
	if (s.Where == whereAt || s.Where == whereDone) && sig != o.sig {
		return m.disagreement(peer, sig, o.sig)
	}
	e.recover(a.sent, s, &a.suspected)
	got, late := e.got, s.Sent > e.got
	if in := m.inlanes[peer]; in != nil {
		got += in.come
		if late = late || s.Laned > in.come; got == a.got && s.Laned > in.come {
			if a.behind++; a.behind == laneAsks {
				_ = in.conn.Close() // what has gone on it is perhaps lost: it will be sent again
			}
		}
	}
	if got != a.got {
		a.idle, a.behind, a.got = 0, 0, got
	}
	where := s.Where
	if where == whereAt && s.Have && a.asks < idleAsks {
		where = whereDone // who asks so seldom wants data of it alone
	}
	switch where {
	case whereBefore:
		if s.Newest>>roundBits < o.count() && slices.Contains(o.named, peer) {
			return errPassed
		}
	case whereNotIn:
		return errReplaced
	case whereOver:
		return errOver
	case whereDone, whereLong:
		if len(s.Verdict) > 0 && o.verdict == nil {
			o.verdict = s.Verdict
			m.ringLocked()
			return nil
		}
		asks := a.asks
		if late {
			asks = lateAsks
		}
		if a.idle++; a.idle >= asks {
			return fmt.Errorf("%w: %s has done its part of operation %d, and this waits for something of it", ErrLost, m.plan.name(peer), o.count())
		}
	}
	return nil
}

// receive takes the next message of a stream of another member. The caller releases it.
func (o *op) receive(from int, stream uint32) (*packet, error) {
	return o.receiveUnless(from, stream, idleAsks)
}

// receiveUnless is receive with the end of waitUnless.
func (o *op) receiveUnless(from int, stream uint32, asks int) (*packet, error) {
	m := o.m
	var p *packet
	lost := false
	err := o.waitUnless(from, asks, func() bool {
		s := m.slotLocked(o.seq, from, stream)
		if len(s.queue) == 0 {
			return false
		}
		p, s.queue = s.queue[0], s.queue[1:]
		lost = p.index != s.next
		s.next = p.index + 1
		return true
	})
	if err == nil && lost {
		m.release(o.ctx, p)
		err = fmt.Errorf("%w: from %s came message %d of a stream, and it was not its turn", ErrLost, m.plan.name(from), p.index)
	}
	return p, err
}

// hasComeLocked tells whether the next message of a stream is there.
func (o *op) hasComeLocked(from int, stream uint32) bool {
	s := o.m.slots[slotKey{o.seq, from, stream}]
	return s != nil && len(s.queue) > 0
}

// A mark is how far one part of an operation has come, for others of its goroutines to follow.
type mark int

// newMark makes one that is at 0.
func (o *op) newMark() mark {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.marks = append(o.marks, 0)
	return mark(len(o.marks) - 1)
}

// advance moves a mark on to n.
func (o *op) advance(k mark, n int) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.marks[k] = n
	o.m.ringLocked()
}

// reach waits until a mark is at n or beyond.
func (o *op) reach(k mark, n int) error {
	return o.wait(-1, func() bool { return o.marks[k] >= n })
}
