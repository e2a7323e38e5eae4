package collective

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
)

// A lane is a connection of its own to a member in another process, for the chunks of large data, and for what members say to each other often: whoever has
// a message writes it, and one goroutine at the other end reads it and puts it where it belongs. On the link between the processes, messages wake a writer
// here, and there a reader, the node's turn and whoever waits for them; that is most of what they cost. Each lane has a window of its own, which is given back over the lane.
//
// What a lane has carried is kept until the other says that it has come. A lane that breaks, as its connection is cut, costs nothing
// else: the reader says over the link, which outlives connections, how much has come; what has not goes again over the link, and so does what follows, until
// another operation opens another lane.
//
// Towards the reader a lane carries a greeting, then messages, which have their length where others have their sender's instance; towards the opener grants.
const (
	// laneLeast is how much data an operation must have for lanes: opening one takes a few round trips.
	laneLeast = 1 << 20
	// laneMessage is the size of the smallest first message of a stream that goes on a lane.
	laneMessage = 16 << 10
	// laneOpens is how long opening one may take, while the operation waits; lanePause how long none is tried where that has failed, and ever longer
	// where it does again.
	laneOpens = 2 * time.Second
	lanePause = 30 * time.Second
	// laneStuck is how long one message may take to be written before the lane is given up: the link may be better off.
	laneStuck = 30 * time.Second
	// laneAsks is how often a member that waits may hear that more was sent on a lane than has come, with nothing coming, before it gives that up.
	laneAsks = 6

	// laneWindow is what a member may have sent on a lane that the other has not used yet, laneGrants how much of it is given back at a time: twice of
	// what the link has, as each grant wakes the opener, and costs nobody else's time.
	laneWindow = 2 << 20
	laneGrants = laneWindow / 4

	// laneCount is how many messages, however small, may have come before the opener is told; laneUsual after how many over the link others than large
	// ones go on a lane.
	laneCount = 256
	laneUsual = 64

	laneGreeting = 24 // bytes: 0 rank, 4 bytes; 8 instance of the opener, 8 bytes; 16 number of the lane, 8 bytes
	laneLength   = 56 // where a message has its length, in 8 bytes
	laneGrant    = 16 // bytes of a grant: credit; messages that have come, both 8 bytes
)

// A lane as its opener has it.
type lane struct {
	m    *Member
	to   int
	id   uint64
	conn net.Conn

	writing sync.Mutex // held by whoever writes a message, or sends again what was lost

	// Of whoever hears grants: one goroutine of an operation.
	grant [laneGrant]byte
	heard int // bytes of a grant that have come

	// Guarded by m.mu.
	out    int       // bytes that have gone, or are about to, and were not granted back
	due    int       // bytes of these for which somebody has taken room, and that are still with him
	kept   []*[]byte // messages of which it is not known that they have come
	come   uint64    // so many before these have
	gone   uint64    // so many are not needed for a Write any more
	user   *op       // that hears grants
	broken bool      // nothing more is written
	over   bool      // all that has not come was sent again, or is nobody's
}

// laneway is how a member gets lanes to another.
type laneway struct {
	opening sync.Mutex // held while one is opened

	// Guarded by m.mu.
	now       *lane
	notBefore time.Time
	failures  int // in a row
}

// wayKey names a stream to another member; wayOf decides once, with its first message, whether that goes on a lane, so that its messages keep their order.
type wayKey struct {
	to     int
	stream uint32
}

func (o *op) wayOf(to int, stream uint32, size int) *lane {
	m := o.m
	k := wayKey{to, stream}
	m.mu.Lock()
	l, decided := o.ways[k]
	m.mu.Unlock()
	if decided {
		return l
	}
	large := size >= laneMessage && o.suitsLane(stream)
	if large || m.isUsual(to) {
		l = m.laneTo(o.ctx, to)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.ways == nil {
		o.ways = map[wayKey]*lane{}
	}
	o.ways[k] = l
	if l != nil && (large || l.out > laneWindow/2 || len(l.kept) > 2*laneCount) {
		o.hearLocked(l)
	}
	return l
}

// hearLocked has somebody hear grants of a lane that is one of the operation's ways, from now on until it ends.
func (o *op) hearLocked(l *lane) {
	if l.user != o {
		l.user = o
		o.hearing.Go(func() { l.hear(o) })
	}
}

// isUsual tells whether messages to another go on a lane however small they are: there is one, or there have been so many that it is worth while to open
// one. Where that fails nothing small waits for it again.
func (m *Member) isUsual(to int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.laneways[to]
	return w != nil && w.now != nil || m.edges[to].sent >= laneUsual && (w == nil || w.failures == 0)
}

// suitsLane tells whether a stream has so much to carry, and is written by a goroutine that has nobody else to write to.
func (o *op) suitsLane(stream uint32) bool {
	switch stream >> 24 {
	case streamLoad:
		return true
	case streamDown, streamUp, streamRing:
		return o.sig.size >= laneLeast || o.sig.op == opStream
	}
	return false
}

// laneTo is the lane to another member, which is opened if there is none; nil where there cannot be one for now.
func (m *Member) laneTo(ctx context.Context, to int) *lane {
	ref := m.ref(ctx, to)
	if actor.IsHere(ctx, ref) {
		return nil
	}
	m.mu.Lock()
	w := m.laneways[to]
	if w == nil {
		w = &laneway{}
		m.laneways[to] = w
	}
	m.mu.Unlock()
	w.opening.Lock()
	defer w.opening.Unlock()
	m.mu.Lock()
	l, instance := w.now, m.instance
	if l != nil || time.Now().Before(w.notBefore) {
		m.mu.Unlock()
		return l
	}
	m.lanes++
	l = &lane{m: m, to: to, id: m.lanes}
	m.mu.Unlock()
	opens, cancel := context.WithTimeout(ctx, laneOpens)
	defer cancel()
	conn, err := actor.Open(opens, ref, Port.CollectiveLane)
	if err == nil {
		stop := context.AfterFunc(opens, func() { _ = conn.Close() }) // ends the Write
		var greeting [laneGreeting]byte
		binary.LittleEndian.PutUint32(greeting[:], uint32(m.rank))
		binary.LittleEndian.PutUint64(greeting[8:], instance)
		binary.LittleEndian.PutUint64(greeting[16:], l.id)
		if _, err = conn.Write(greeting[:]); !stop() && err == nil {
			err = opens.Err()
		}
		if err != nil {
			_ = conn.Close() // it is of no use
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && ctx.Err() != nil { // which says nothing of the other
		return nil
	}
	if err != nil {
		w.notBefore = time.Now().Add(lanePause << min(w.failures, 10))
		w.failures++
		return nil
	}
	l.conn, w.now, w.failures = conn, l, 0
	return l
}

// send sends a message for which there is room, and has its memory from then on: over the link where the lane has broken. An error says that the
// message was not sent, and is the caller's.
func (l *lane) send(o *op, message []byte) error {
	m := l.m
	if err := o.wait(l.to, func() bool { return !l.broken || l.over }); err != nil {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		l.unreserveLocked(len(message))
		return err
	}
	l.writing.Lock()
	m.mu.Lock()
	if l.broken {
		over := l.over
		m.mu.Unlock()
		l.writing.Unlock()
		if !over {
			return l.send(o, message) // it has broken meanwhile
		}
		return o.post(l.to, message)
	}
	l.kept = append(l.kept, &message)
	l.due -= len(message)
	m.mu.Unlock()
	err := l.write(o, message)
	m.mu.Lock()
	l.gone++
	if err != nil {
		l.breakLocked() // the reader hears of it, and says what has come
	}
	m.mu.Unlock()
	l.writing.Unlock()
	return nil
}

// reserveLocked takes room, and unreserveLocked gives it back.
func (l *lane) reserveLocked(size int) {
	if l.over {
		l.m.edges[l.to].out += size
		return
	}
	l.out += size
	l.due += size
}

func (l *lane) unreserveLocked(size int) {
	if e := &l.m.edges[l.to]; l.over {
		e.out = max(0, e.out-size)
		return
	}
	l.out -= size
	l.due -= size
}

// write writes a message, for as long as the operation goes on and the other member is there to take it.
func (l *lane) write(o *op, message []byte) error {
	binary.LittleEndian.PutUint64(message[laneLength:], uint64(len(message)))
	began := time.Now()
	written := false // guarded by m.mu
	o.hearing.Add(1)
	watch := time.AfterFunc(askAfter, func() { // nobody waits for it who holds l.writing: it may hear that the lane has ended, and take over
		defer o.hearing.Done()
		_ = o.wait(l.to, func() bool { return written || time.Since(began) > laneStuck })
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		if !written {
			l.breakLocked()
		}
	})
	_, err := l.conn.Write(message)
	if watch.Stop() {
		o.hearing.Done()
		return err
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	written = true
	l.m.ringLocked()
	return err
}

// hear takes grants, for as long as the operation goes on.
func (l *lane) hear(o *op) {
	for {
		n, err := l.conn.Read(l.grant[l.heard:])
		if l.heard += n; l.heard == laneGrant {
			l.heard = 0
			credit, come := binary.LittleEndian.Uint64(l.grant[:]), binary.LittleEndian.Uint64(l.grant[8:])
			l.m.mu.Lock()
			l.out = max(0, l.out-int(min(credit, laneWindow)))
			l.haveLocked(come)
			l.m.ringLocked()
			l.m.mu.Unlock()
		}
		if err != nil {
			l.m.mu.Lock()
			if l.user == o { // the lane has ended, not the operation
				l.breakLocked()
			}
			l.m.mu.Unlock()
			_ = o.wait(l.to, func() bool { return l.over || l.user != o }) // the other hears of it by being asked, whatever has come there
			return
		}
	}
}

// leaveLanes ends the hearing of grants; another operation goes on with it.
func (o *op) leaveLanes() {
	o.m.mu.Lock()
	var left []*lane
	for _, l := range o.ways {
		if l != nil && l.user == o {
			l.user = nil
			left = append(left, l)
		}
	}
	o.m.ringLocked()
	o.m.mu.Unlock()
	for _, l := range left {
		_ = l.conn.SetReadDeadline(time.Unix(1, 0)) // fails only where the connection is closed, as does its Read
	}
	o.hearing.Wait()
	for _, l := range left {
		_ = l.conn.SetReadDeadline(time.Time{})
	}
}

// breakLocked ends a lane; what it has not carried goes over the link when the other has said what that is.
func (l *lane) breakLocked() {
	if !l.broken {
		l.broken = true
		_ = l.conn.Close() // whoever writes finds out
		l.m.ringLocked()
	}
}

// haveLocked notes that so many messages of the lane have come. The last of them may be known to have before its Write has returned.
func (l *lane) haveLocked(come uint64) {
	if come = min(come, l.gone); come <= l.come {
		return
	}
	n := int(come - l.come)
	for _, message := range l.kept[:n] {
		pool.Put(message)
	}
	l.kept, l.come = slices.Delete(l.kept, 0, n), come
}

// takeOver ends the lane where the other has none any more: come messages have come, the others go again over the link. Where it is ended by its context
// it is to be called again.
func (l *lane) takeOver(ctx context.Context, come uint64) error {
	m := l.m
	m.mu.Lock()
	l.breakLocked()
	m.mu.Unlock()
	l.writing.Lock() // nobody writes any more
	defer l.writing.Unlock()
	ref := m.ref(ctx, l.to)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !l.over {
		l.haveLocked(come)
	}
	for len(l.kept) > 0 {
		message, e := l.kept[0], &m.edges[l.to]
		size, restarts := len(*message), e.restarts
		binary.LittleEndian.PutUint64((*message)[laneLength:], m.instance)
		e.out += size
		m.mu.Unlock()
		err := actor.Give(ctx, ref, Port.Collective, *message)
		m.mu.Lock()
		if err == nil && e.restarts == restarts {
			e.sent++
		} else if e.restarts == restarts {
			e.out = max(0, e.out-size)
		}
		switch {
		case l.over: // there is another in its place
			return err
		case err != nil && ctx.Err() != nil: // the operation has ended, not the other: whoever hears again of the lane's end goes on
			return err
		case err != nil:
			m.endLaneLocked(l)
			return err
		}
		l.kept = slices.Delete(l.kept, 0, 1)
		l.come++
	}
	m.endLaneLocked(l)
	return nil
}

// endLaneLocked has what follows go over the link.
func (m *Member) endLaneLocked(l *lane) {
	l.breakLocked()
	if !l.over {
		m.edges[l.to].out += l.due
	}
	l.over, l.kept = true, nil // what they are was sent, or is left to the garbage collector: somebody may be writing it
	if w := m.laneways[l.to]; w != nil && w.now == l {
		w.now = nil
	}
	m.ringLocked()
}

// laneEnded has what the lane of that number has not carried go over the link, unless it has done so.
func (m *Member) laneEnded(ctx context.Context, to int, id, come uint64) error {
	m.mu.Lock()
	l := m.laneLocked(to)
	m.mu.Unlock()
	if l == nil || l.id != id {
		return nil
	}
	return l.takeOver(ctx, come)
}

// laneLocked is the lane to another member, nil: there is none.
func (m *Member) laneLocked(to int) *lane {
	if w := m.laneways[to]; w != nil {
		return w.now
	}
	return nil
}

// dropLanesLocked ends the lanes to and from a member that was started again: what they have carried was for the one before.
func (m *Member) dropLanesLocked(rank int) {
	if l := m.laneLocked(rank); l != nil {
		m.endLaneLocked(l)
	}
	if in := m.inlanes[rank]; in != nil {
		_ = in.conn.Close() // its reader ends
	}
}
