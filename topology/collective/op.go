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
		err = o.outOfTurn(p)
	}
	return p, err
}

// outOfTurn is why the operation fails with a message that is not the next of its stream, which it releases.
func (o *op) outOfTurn(p *packet) error {
	o.m.release(o.ctx, p)
	return fmt.Errorf("%w: from %s came message %d of a stream, and it was not its turn", ErrLost, o.m.plan.name(p.from), p.index)
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
