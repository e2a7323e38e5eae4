package collective

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
)

// laneAhead is how much is read at once where a message begins; the rest of it is read to where it stays.
const laneAhead = 4 << 10

// An inlane is a lane as the other end has it.
type inlane struct {
	from     int
	id       uint64
	instance uint64 // of the one that has opened it
	conn     net.Conn

	granting sync.Mutex // held by whoever writes a grant

	// Guarded by the member's mu.
	account
	come uint64 // messages
	told uint64 // so many of them the opener knows of
}

// CollectiveLane reads what another member sends on a connection of its own. It is called by members alone.
func (m *Member) CollectiveLane(ctx context.Context, conn net.Conn) error {
	if m.plan == nil {
		return fmt.Errorf("%w: %s has not joined one, or its group was not sealed", ErrGroup, actor.Self(ctx))
	}
	var greeting [laneGreeting]byte
	if _, err := io.ReadFull(conn, greeting[:]); err != nil {
		return nil // the opener has ended, or finds out and asks
	}
	from := binary.LittleEndian.Uint32(greeting[:])
	if uint64(from) >= uint64(m.plan.shape.Len()) {
		return fmt.Errorf("%w: a lane from member %d of %d", errMessage, from, m.plan.shape.Len())
	}
	in := &inlane{from: int(from), id: binary.LittleEndian.Uint64(greeting[16:]), instance: binary.LittleEndian.Uint64(greeting[8:]), conn: conn}
	m.mu.Lock()
	m.readyLocked()
	if e := &m.edges[in.from]; e.instance == 0 {
		m.metLocked(in.from, in.instance)
	} else if e.instance != in.instance { // one that was started again says so over the link first
		m.mu.Unlock()
		return m.endInlane(ctx, in)
	}
	if m.isOverLocked(in) {
		m.mu.Unlock()
		return nil // it was given up before this has come
	}
	if was := m.inlanes[in.from]; was != nil {
		_ = was.conn.Close() // its opener has given it up
	}
	m.inlanes[in.from] = in
	m.mu.Unlock()

	err := m.readLane(ctx, in)
	if told := m.endInlane(ctx, in); err == nil {
		err = told
	}
	return err
}

// endInlane ends a lane, and tells its opener how much has come.
func (m *Member) endInlane(ctx context.Context, in *inlane) error {
	_ = in.conn.Close() // which may have ended already
	m.mu.Lock()
	if m.inlanes[in.from] == in {
		delete(m.inlanes, in.from)
	}
	if !m.isOverLocked(in) {
		m.ended[in.from] = in
	}
	h := header{kind: kindLane, from: m.rank, lane: in.id, come: in.come, instance: m.instance}
	m.mu.Unlock()
	if err := m.say(ctx, in.from, h); err != nil && !isGone(err) && ctx.Err() == nil {
		return err
	}
	return nil
}

// readLane takes messages until the connection ends. Its error says that they make no sense.
func (m *Member) readLane(ctx context.Context, in *inlane) error {
	r := bufio.NewReaderSize(in.conn, laneAhead)
	var head [headerSize]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil // as lanes end; what is missing is sent again
		}
		size := binary.LittleEndian.Uint64(head[laneLength:])
		if size < headerSize || size > headerSize+MaxChunk {
			return fmt.Errorf("%w: %d bytes on a lane", errMessage, size)
		}
		h, _, err := parse(head[:], m.plan.shape.Len())
		if err == nil && (h.kind != kindData || h.from != in.from) {
			err = fmt.Errorf("%w: kind %d from member %d on a lane of member %d", errMessage, h.kind, h.from, in.from)
		}
		if err != nil {
			return err
		}
		h.instance = in.instance
		room := pool.Get(int(size))
		copy(*room, head[:])
		if _, err := io.ReadFull(r, (*room)[headerSize:]); err != nil {
			pool.Put(room)
			return nil
		}
		if err := m.takeFromLane(ctx, in, &packet{header: h, payload: (*room)[headerSize:], whole: *room, lane: in}); err != nil {
			return err
		}
	}
}

// takeFromLane gives a message to whoever has said what to do with those of its stream, or puts it where others find it.
func (m *Member) takeFromLane(ctx context.Context, in *inlane, p *packet) error {
	m.mu.Lock()
	if m.edges[in.from].instance != in.instance {
		m.mu.Unlock()
		p.free()
		return nil // another has come in its place, which closes the lane
	}
	in.come++
	welcome, err := m.admitLocked(p)
	if !welcome {
		due := m.dueLocked()
		m.ringLocked()
		m.mu.Unlock()
		p.free()
		m.grantAll(ctx, due)
		return err
	}
	s := m.slotLocked(p.seq, p.from, p.stream)
	k := s.sink
	if k == nil || len(s.queue) > 0 || p.index != s.next || !k.takesLocked() {
		s.queue = append(s.queue, p)
		m.ringLocked()
		m.mu.Unlock()
		return nil
	}
	s.next++
	k.busy = true
	m.mu.Unlock()
	taken := false
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		k.busy = false
		if !taken { // a reduction has panicked, which ends the lane, and is logged
			m.current.failLocked(errPanicked, true)
		}
		m.ringLocked()
	}()
	k.take(p)
	taken = true
	return nil
}

// errPanicked: a function of the user's did, at a message that a lane has brought.
var errPanicked = errors.New("collective: taking a message has panicked")

// isOverLocked tells whether a lane has ended before it began, or another has begun behind it.
func (m *Member) isOverLocked(in *inlane) bool {
	for _, other := range []*inlane{m.inlanes[in.from], m.ended[in.from]} {
		if other != nil && other != in && other.instance == in.instance && other.id >= in.id {
			return true
		}
	}
	was := m.ended[in.from]
	return was != nil && was.instance != in.instance && was.instance == m.edges[in.from].instance
}

// giveUpLocked ends a lane from another member, which has not carried all that was sent on it: also one of which nothing has come, and nothing shall.
func (m *Member) giveUpLocked(from int, id uint64) {
	if in := m.inlanes[from]; in != nil && in.id == id {
		_ = in.conn.Close() // its reader finds out, and says what has come
		return
	}
	if in := (&inlane{from: from, id: id, instance: m.edges[from].instance}); !m.isOverLocked(in) {
		m.ended[from] = in
	}
}

// A sink is what is done with the messages of a stream, in order, by whoever reads the lane on which they come: nobody else need be woken for it.
type sink struct {
	ready func() bool // tells, with the member's mu held, whether the next may be taken; nil: always
	take  func(p *packet)
	busy  bool // guarded by the member's mu
}

// takesLocked tells whether the next message may be taken.
func (k *sink) takesLocked() bool { return !k.busy && (k.ready == nil || k.ready()) }

// popLocked takes the next message of a stream out of the queue, for k to take: nil: there is none yet, or k is busy. lost: it is not the one that comes next.
func (o *op) popLocked(from int, stream uint32, k *sink) (p *packet, lost bool) {
	s := o.m.slotLocked(o.seq, from, stream)
	if len(s.queue) == 0 || !k.takesLocked() {
		return nil, false
	}
	p, s.queue = s.queue[0], s.queue[1:]
	lost = p.index != s.next
	s.next, k.busy = p.index+1, true
	return p, lost
}

// pour has k take a message that popLocked has given.
func (o *op) pour(k *sink, p *packet, lost bool) (err error) {
	if lost {
		err = o.outOfTurn(p)
	} else {
		k.take(p)
	}
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	k.busy = false
	o.m.ringLocked()
	return err
}

// drain has k take the messages of a stream until done, which is called with the member's mu held, is true.
func (o *op) drain(from int, stream uint32, k *sink, done func() bool) error {
	defer o.sinkInto(from, stream, k)()
	for {
		var p *packet
		lost := false
		if err := o.wait(from, func() bool {
			if done() {
				return true
			}
			p, lost = o.popLocked(from, stream, k)
			return p != nil
		}); err != nil || p == nil {
			return err
		}
		if err := o.pour(k, p, lost); err != nil {
			return err
		}
	}
}

// sinkInto has messages of a stream go to k, from the first on that nobody has taken; until done is called, which waits for the one under way.
func (o *op) sinkInto(from int, stream uint32, k *sink) (done func()) {
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.slotLocked(o.seq, from, stream)
	s.sink = k
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		s.sink = nil
		for k.busy {
			bell := m.bellLocked()
			m.mu.Unlock()
			<-bell
			m.mu.Lock()
		}
	}
}

// grant gives window back to the opener, and says how many messages have come. Where that cannot be written the lane ends, which its reader finds out.
func (in *inlane) grant(credit int, come uint64) {
	var b [laneGrant]byte
	binary.LittleEndian.PutUint64(b[:], uint64(credit))
	binary.LittleEndian.PutUint64(b[8:], come)
	in.granting.Lock()
	defer in.granting.Unlock()
	if _, err := in.conn.Write(b[:]); err != nil {
		_ = in.conn.Close()
	}
}
