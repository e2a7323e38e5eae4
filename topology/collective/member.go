package collective

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
	"github.com/tartrl/tlaunch-go/topology"
)

const (
	// windowBytes is what a member may have sent to another that this one has not used yet, whatever it is used for. It fills a link of
	// 1 Gbit/s for 8 ms, which is the time that a process on a busy host may take to come to it.
	windowBytes = 1 << 20
	// grantBytes is how much of it is given back at a time. Each time is a message, which wakes both members; what
	// is left meanwhile fills that link for 6 ms.
	grantBytes = windowBytes / 4
	// parkedMost is what a member takes of another on one way before it believes that the other keeps to no window: what several lanes that break have carried comes
	// again over the link, beside the link's own.
	parkedMost = 4 * laneWindow
	// aheadMost is how many operations a member may be behind another one's messages.
	aheadMost = 1 << 16
	// pastKept is of how many operations a member remembers how they ended.
	pastKept = 64
)

// A Member makes the node in whose value it is embedded one of a [Group]. Its zero value is ready to join one.
type Member struct {
	group *Group
	plan  *plan
	rank  int
	self  Node              // the value in which it is embedded
	links []actor.Ref[Port] // to those with whom it is linked in the group's shape: whoever walks the program finds them here

	mu       sync.Mutex
	instance uint64 // of this process and node; 0: not drawn yet
	refs     []actor.Ref[Port]
	edges    []edge // by rank
	seq      uint64 // of the round of an operation that is under way, or was last

	rejoins   bool   // it was started again, and does not know how far the others are
	joined    uint64 // the first operation that it is in, where it was started again
	inMethods bool   // it has done operations in methods of the node: it may be in more when its Run has returned
	current   *op
	slots     map[slotKey]*slot
	past      map[uint64]past     // how rounds of operations ended
	aborts    map[uint64]*failure // of those that others have ended, and this one has not come to
	told      uint64              // messages to all that this one has sent
	heard     map[int]*tally      // those that have come, by who has sent them
	auto      auto
	swift     [2]time.Duration // the least time in which grantBytes have gone from this one, lately: to other hosts, and inside of its own; 0: unknown
	bell      chan struct{}    // closed when something has changed; nil: nobody waits
	lanes     uint64           // number of the last lane that was opened: they grow, from a random one on, so that none is taken for that of another instance
	laneways  map[int]*laneway // to others
	inlanes   map[int]*inlane  // from them
	ended     map[int]*inlane  // the last of each that has ended
}

type past struct {
	sig     signature
	failure *failure // nil: it was done
	verdict []byte   // of an agreement
	onward  bool     // the member goes on to another round
	through bool     // it does not, as the result is certain
	left    bool     // nor as its node has ended meanwhile, which ends the operation for nobody else
	result  []byte   // which all have alike, where it is kept
}

// An edge is what this member knows of its exchange with another.
type edge struct {
	account         // of what comes over the link
	out      int    // sent there over the link, and not granted back
	instance uint64 // of the other; 0: never heard of
	restarts int    // of the other, since it was first heard of
	got      uint64 // messages with data that have come over the link
	sent     uint64 // and that have gone there
	lost     uint64 // so many of them are known to be lost with their link
	away     bool   // it was found to be gone, and has not been heard of since
}

// An account is what has come from another member on a way, and takes its window.
type account struct {
	parked int // bytes that were not used
	owed   int // bytes that were, and are not granted back
}

type slotKey struct {
	seq    uint64
	from   int
	stream uint32
}

// A slot is where messages of a stream wait.
type slot struct {
	queue []*packet
	next  uint32 // index of the message that comes next
	sink  *sink  // nil: messages wait in the queue
}

// A packet is a message with data that has arrived; whoever takes it releases it.
type packet struct {
	header
	payload []byte
	whole   []byte
	lane    *inlane // on which it came; nil: over the link
	used    bool    // its sender has, or will have, its window back
	given   bool    // its memory is another's
}

// free gives the memory of a packet back, unless it went on.
func (p *packet) free() {
	if whole := p.whole[:cap(p.whole)]; !p.given {
		pool.Put(&whole)
	}
	p.whole, p.payload = nil, nil
}

func (m *Member) member() *Member { return m }

// Rank is the member's place in its group, -1 before the group is sealed.
func (m *Member) Rank() int {
	if m.plan == nil {
		return -1
	}
	return m.rank
}

// Shape is who is linked with whom; nil before the group is sealed.
func (m *Member) Shape() *topology.Shape {
	if m.plan == nil {
		return nil
	}
	return m.plan.shape
}

// readyLocked makes what only a running member needs.
func (m *Member) readyLocked() {
	if m.instance != 0 {
		return
	}
	m.instance, m.lanes = rand.Uint64()|1, rand.Uint64()>>1
	n := m.plan.shape.Len()
	m.refs, m.edges = make([]actor.Ref[Port], n), make([]edge, n)
	m.slots, m.past, m.aborts, m.heard = map[slotKey]*slot{}, map[uint64]past{}, map[uint64]*failure{}, map[int]*tally{}
	m.laneways, m.inlanes, m.ended = map[int]*laneway{}, map[int]*inlane{}, map[int]*inlane{}
}

// ref is the way to another member; ctx is the node's.
func (m *Member) ref(ctx context.Context, rank int) actor.Ref[Port] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refs[rank].IsZero() {
		m.refs[rank] = actor.RefIn[Port](ctx, m.plan.name(rank))
	}
	return m.refs[rank]
}

// ringLocked wakes all that wait.
func (m *Member) ringLocked() {
	if m.bell != nil {
		close(m.bell)
		m.bell = nil
	}
}

func (m *Member) bellLocked() <-chan struct{} {
	if m.bell == nil {
		m.bell = make(chan struct{})
	}
	return m.bell
}

var errMessage = errors.New("collective: a message that makes no sense")

// Collective takes what another member sends. It is called by members alone.
func (m *Member) Collective(ctx context.Context, message []byte) error {
	if m.plan == nil {
		return fmt.Errorf("%w: %s has not joined one, or its group was not sealed", ErrGroup, actor.Self(ctx))
	}
	h, payload, err := parse(message, m.plan.shape.Len())
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readyLocked()
	m.metLocked(h.from, h.instance)
	defer m.ringLocked()
	switch h.kind {
	case kindGrant:
		e := &m.edges[h.from]
		e.out = max(0, e.out-int(min(h.credit, windowBytes)))
		return nil
	case kindLane:
		m.mu.Unlock()
		defer m.mu.Lock()
		return m.laneEnded(ctx, h.from, h.lane, h.come)
	case kindAbort:
		f := new(failure)
		if err := actor.Decode(payload, f); err != nil {
			return fmt.Errorf("%w: an abort: %w", errMessage, err)
		}
		if !m.isLeftOutLocked(h.from, h.seq) {
			m.abortLocked(h.seq, f)
		}
		return nil
	}
	return m.dataLocked(ctx, &packet{header: h, payload: payload, whole: message})
}

// metLocked notes that another member was heard of. One that was started again has nothing of what was under way, and what came of the one before it is
// nobody's.
func (m *Member) metLocked(rank int, instance uint64) {
	e := &m.edges[rank]
	if e.instance != 0 && e.instance != instance || e.instance == 0 && e.away {
		m.dropLocked(func(k slotKey) bool { return k.from == rank })
		*e = edge{account: account{parked: e.parked}, restarts: e.restarts + 1}
		m.dropLanesLocked(rank)
	}
	e.instance, e.away = instance, false
}

// recover gives window back for messages that were lost with their link, so that nobody will. The other says, behind sent of them, that it has got fewer,
// and for how many bytes it has not given window back; twice, since one method may pass another.
func (e *edge) recover(sent uint64, s *Status, suspected *uint64) {
	lost := sent - e.lost - min(s.Got, sent-e.lost)
	if lost == 0 || lost != *suspected || e.sent != sent {
		*suspected = lost
		return
	}
	*suspected = 0
	e.lost += lost
	e.out = min(e.out, s.Held)
}

// isLeftOutLocked tells whether the operation under way goes on without a member: if that lives, what it says of it is of no account.
func (m *Member) isLeftOutLocked(rank int, seq uint64) bool {
	return m.current != nil && seq>>roundBits == m.seq>>roundBits && slices.Contains(m.current.gone, rank)
}

func (m *Member) abortLocked(seq uint64, f *failure) {
	switch {
	case m.current != nil && seq == m.seq:
		m.current.failLocked(f.err(), false)
	case seq > m.seq && seq>>roundBits-m.seq>>roundBits < aheadMost && len(m.aborts) < pastKept:
		m.aborts[seq] = f
	}
}

// dataLocked puts a message with data that has come over the link where whoever wants it finds it.
func (m *Member) dataLocked(ctx context.Context, p *packet) error {
	m.edges[p.from].got++
	welcome, err := m.admitLocked(p)
	if !welcome {
		return err
	}
	if isAligned(p.whole) {
		actor.Keep(ctx)
	} else { // a small one, in memory that it shares
		own := pool.Get(len(p.whole))
		copy(*own, p.whole)
		p.whole, p.payload = *own, (*own)[headerSize:]
	}
	s := m.slotLocked(p.seq, p.from, p.stream)
	s.queue = append(s.queue, p)
	return nil
}

// admitLocked tells whether somebody wants a message with data, now or later, and books it.
func (m *Member) admitLocked(p *packet) (welcome bool, err error) {
	a := m.accountLocked(p)
	size := len(p.whole)
	done := p.seq <= m.seq && (m.current == nil || p.seq < m.seq)
	switch {
	case done, m.isLeftOutLocked(p.from, p.seq), m.current != nil && p.seq == m.seq && (m.edges[p.from].restarts != m.current.restarts[p.from] || m.current.shut[slotKey{p.seq, p.from, p.stream}]):
		a.owed += size
		return false, nil
	case p.seq>>roundBits-m.seq>>roundBits >= aheadMost && !m.rejoins || a.parked > parkedMost:
		return false, fmt.Errorf("%w: %s sends for operation %d, and this is at %d with %d bytes of its", errMessage, m.plan.name(p.from), p.seq>>roundBits, m.seq>>roundBits, a.parked)
	case p.seq == m.seq && p.sig != m.current.sig:
		a.owed += size
		m.current.failLocked(m.disagreement(p.from, p.sig, m.current.sig), true)
		return false, nil
	}
	a.parked += size
	return true, nil
}

// accountLocked is in whose books a message is.
func (m *Member) accountLocked(p *packet) *account {
	if p.lane != nil {
		return &p.lane.account
	}
	return &m.edges[p.from].account
}

// usedLocked notes that a message takes window no longer.
func (m *Member) usedLocked(p *packet) *account {
	a := m.accountLocked(p)
	a.parked -= len(p.whole)
	a.owed += len(p.whole)
	return a
}

func (m *Member) disagreement(rank int, theirs, ours signature) error {
	return &DisagreeError{m.plan.name(m.rank), m.plan.name(rank), ours.text(), theirs.text()}
}

func (m *Member) slotLocked(seq uint64, from int, stream uint32) *slot {
	k := slotKey{seq, from, stream}
	s := m.slots[k]
	if s == nil {
		s = &slot{}
		m.slots[k] = s
	}
	return s
}

// dropLocked drops what has come on some streams; it takes window no longer.
func (m *Member) dropLocked(which func(slotKey) bool) {
	for k, s := range m.slots {
		if !which(k) {
			continue
		}
		for _, p := range s.queue {
			m.usedLocked(p)
		}
		delete(m.slots, k)
	}
}
