package remote

import (
	"bytes"
	"fmt"
	"io"
	"runtime"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
)

// A reader takes a link's frames apart and gives them to who they are for. It belongs to the link's reader goroutine.
type reader struct {
	conn  io.Reader
	to    sink
	most  int // of one message's body, in bytes
	buf   []byte
	r, w  int // what is in buf and not yet handled
	lanes [2]inlane
	meta  meta   // of the frame at hand
	again []byte // of that frame, in memory of its own, what stands before its body, where a frame that begins like it means the same; empty: none does
	bulk  bool   // the frame before was a chunk
	stint int    // bytes of frames that were handled since the reader gave way
	count uint64 // frames that were handled: section 8 of WIRE.md
	large int    // the size of the largest body that came in chunks and was whole since the link has looked
}

// A sink is who gets what a reader finds.
type sink interface {
	// message gives an envelope; data is valid until it returns.
	message(m *meta, data []byte)
	// parcel gives a parcel; so are trace, head and body, unless room holds the body.
	parcel(m *meta, body []byte, room *[]byte)
	// beat gives a sign of life: a mark to answer, and the answer to one of ours; 0: none.
	beat(mark, echo uint64)
	// acknowledged gives the number up to which the peer has our frames.
	acknowledged(n uint64) error
	// leaves says that the peer writes no more messages.
	leaves()
	// bad counts something that means nothing to us, alone, and of so many bytes.
	bad(reason Reason, size int)
	// flush is called when nothing more is there for now.
	flush()
}

type inlane struct {
	heard heard
	slots [maxSlots]incoming
	sizes int // of the bodies on their way
}

// incoming is a large message of which chunks arrive.
type incoming struct {
	open bool
	meta meta
	room *[]byte
	size int // of the body, as announced
	n    int // bytes that have come
}

const (
	readBytes  = 128 << 10
	stintBytes = 16 << 10 // of frames, after which those get a turn to whom they were given
	aheadBytes = 4 << 10  // read with what is likely the head of a chunk
	// believedBytes of what a large message is announced with are taken for granted, at once; memory for the rest is there when they have come.
	// So a peer that announces and does not send costs little, and what is copied once is small beside what is large: of fresh memory the
	// kernel gives only what is written to.
	believedBytes = 1 << 20
)

// makeRoom sees to memory for n more bytes of the body.
func (in *incoming) makeRoom(n int) {
	if in.n+n <= len(*in.room) {
		return
	}
	more := pool.Get(in.size)
	copy(*more, (*in.room)[:in.n])
	pool.Put(in.room)
	in.room = more
}

func newReader(conn io.Reader, to sink, most int) *reader {
	return &reader{conn: conn, to: to, most: most, buf: make([]byte, readBytes)}
}

// run handles frames until the connection fails, or something else than frames arrives (errFrame).
func (r *reader) run() error {
	defer r.to.flush() // what came before the end, whatever that is, was in order
	for {
		if err := r.need(frameHead); err != nil {
			return err
		}
		n, kind := headOf(r.buf[r.r:])
		if n > maxFrame {
			return fmt.Errorf("%w: a frame of %d bytes, the limit is %d", errFrame, n, maxFrame)
		}
		if kind&^frameUrgent == frameChunk {
			if err := r.chunk(n, kind); err != nil {
				return err
			}
			continue
		}
		if err := r.need(frameHead + n); err != nil {
			return err
		}
		f := r.buf[r.r+frameHead : r.r+frameHead+n]
		r.r += frameHead + n
		r.giveWay(frameHead + n)
		if kind == frameParcel && len(r.again) > 0 && bytes.HasPrefix(f, r.again) {
			r.to.parcel(&r.meta, f[len(r.again):], nil)
			r.count++
			continue
		}
		if err := r.frame(f, kind); err != nil {
			return err
		}
	}
}

// resume begins to read from another connection, at the first frame that was not handled.
func (r *reader) resume(conn io.Reader) {
	r.conn, r.r, r.w = conn, 0, 0
	if r.buf == nil {
		r.buf = make([]byte, readBytes)
	}
}

// rest lets go of memory until resume.
func (r *reader) rest() { r.buf, r.conn = nil, nil }

// need reads until n bytes are in buf, which holds the largest frame with its head.
func (r *reader) need(n int) error {
	if r.w-r.r >= n {
		return nil
	}
	r.to.flush()
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if r.r+n > len(r.buf) {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	end := len(r.buf)
	if r.bulk { // what follows is likely the head of a chunk, whose content need not come this way
		end = max(r.r+n, min(end, r.w+aheadBytes))
		r.bulk = false
	}
	for r.w-r.r < n {
		got, err := r.conn.Read(r.buf[r.w:end])
		r.w += got
		if err != nil && r.w-r.r < n {
			return err
		}
	}
	return nil
}

// giveWay lets the goroutines run that have something to do by now, where so much was handled that they would otherwise begin late: those that
// the reader has woken wait for its processor, and what waits for them falls out of the caches.
func (r *reader) giveWay(handled int) {
	if r.stint += handled; r.stint >= stintBytes {
		r.stint = 0
		r.to.flush()
		runtime.Gosched()
	}
}

func (r *reader) frame(f []byte, kind frameKind) error {
	lane := &r.lanes[dataLane]
	if kind&frameUrgent != 0 {
		lane = &r.lanes[urgentLane]
	}
	c := cursor{b: f}
	m := &r.meta
	r.again = r.again[:0]
	switch kind &^ frameUrgent {
	case frameBeat:
		if len(f) > 0 { // an older peer says nothing with it
			mark, echo := c.uvarint(), c.uvarint()
			if c.failed {
				return fmt.Errorf("%w: a sign of life that is cut off", errFrame)
			}
			r.to.beat(mark, echo)
		}
		return nil
	case frameAck:
		n := c.uvarint()
		if c.failed {
			return fmt.Errorf("%w: an acknowledgement of nothing", errFrame)
		}
		return r.to.acknowledged(n)
	case frameVoid:
		return errForgotten
	case frameLeave:
		r.to.flush()
		r.count++
		r.to.leaves()
		return nil
	case frameMessage, frameParcel, frameTraced:
		c.meta(kind&^frameUrgent, &lane.heard, m)
		if c.failed {
			return fmt.Errorf("%w: a message whose fields are cut off or point nowhere", errFrame)
		}
		if kind == frameParcel && repeats(f) {
			r.again = append(r.again, f[:len(f)-len(c.b)]...)
		}
		r.deliver(m, c.b, nil)
	case frameOpen:
		if err := r.open(lane, &c); err != nil {
			return err
		}
	default:
		r.to.bad(BadFrame, len(f)) // of a later version, which would not need us to know it
	}
	r.count++
	return nil
}

// repeats reports whether a parcel has no head and names nothing but places in the table: then the next that begins like it means the same, unless
// the table changes.
func repeats(f []byte) bool {
	c := cursor{b: f}
	target, label, head := c.uvarint(), c.uvarint(), c.uvarint()
	return target >= nameKept && label >= nameKept && head == 0 && !c.failed
}

func (r *reader) deliver(m *meta, body []byte, room *[]byte) {
	if m.kind != frameMessage {
		r.to.parcel(m, body, room)
		return
	}
	r.to.flush() // what came before goes first
	r.to.message(m, body)
	if room != nil {
		pool.Put(room)
	}
}

// open begins a large message.
func (r *reader) open(lane *inlane, c *cursor) error {
	slot := c.bytes(2)
	size := c.uvarint()
	if c.failed || slot[0] >= maxSlots || lane.slots[slot[0]].open {
		return fmt.Errorf("%w: no such place for a large message", errFrame)
	}
	if size > uint64(r.most-lane.sizes) {
		return fmt.Errorf("%w: large messages of %d bytes and more at a time, the limit is %d (Config.MaxMessage)", ErrTooLarge, size, r.most)
	}
	in := &lane.slots[slot[0]]
	c.meta(frameKind(slot[1]), &lane.heard, &in.meta)
	if c.failed || size <= wholeBytes {
		return fmt.Errorf("%w: a large message that is none", errFrame)
	}
	in.meta.head, in.meta.trace = append([]byte(nil), in.meta.head...), append([]byte(nil), in.meta.trace...)
	in.open, in.n, in.size, in.room = true, 0, int(size), pool.Get(min(int(size), believedBytes))
	lane.sizes += int(size)
	return nil
}

// chunk reads the next part of a large message to where it belongs.
func (r *reader) chunk(n int, kind frameKind) error {
	if err := r.need(frameHead + 1); err != nil {
		return err
	}
	lane := &r.lanes[dataLane]
	if kind&frameUrgent != 0 {
		lane = &r.lanes[urgentLane]
	}
	slot := r.buf[r.r+frameHead]
	n--
	if n < 1 || slot >= maxSlots || !lane.slots[slot].open || n > lane.slots[slot].size-lane.slots[slot].n {
		return fmt.Errorf("%w: a chunk of no message, or beyond its end", errFrame)
	}
	in := &lane.slots[slot]
	in.makeRoom(n)
	r.r += frameHead + 1
	got := copy((*in.room)[in.n:in.n+n], r.buf[r.r:r.w])
	r.r += got
	in.n += got
	if got < n {
		r.to.flush()
	}
	for got < n {
		more, err := r.conn.Read((*in.room)[in.n : in.n+n-got])
		in.n += more
		got += more
		if err != nil && got < n {
			in.n -= got // the frame comes again, as a whole
			return err
		}
	}
	r.bulk = r.r == r.w
	r.count++
	if in.n < in.size {
		return nil
	}
	lane.sizes -= in.n
	r.large = max(r.large, in.n)
	room := in.room
	in.open, in.room = false, nil
	r.deliver(&in.meta, *room, room)
	return nil
}

// inletSink gives what arrives on a link to the endpoint's processes.
type inletSink struct {
	l     *link
	inlet actor.Inlet // nil: parcels are refused

	parcels uint64 // that have come and are not counted yet
	rubbish int    // bytes that mean nothing, and for which nobody has rested yet
}

var _ sink = (*inletSink)(nil)

func (s *inletSink) message(m *meta, data []byte) {
	l := s.l
	l.p.receivedMessages.Add(1)
	if l.abandoned.Load() {
		s.bad(LinkLost, len(data))
		return
	}
	d, reason := l.e.envelope(m, data, l.p.address)
	if reason == "" {
		reason = l.e.deliver(l.p, d)
	}
	if reason != "" {
		s.bad(reason, len(data))
	}
}

func (s *inletSink) parcel(m *meta, body []byte, room *[]byte) {
	s.parcels++
	switch size := len(m.head) + len(body); {
	case s.l.abandoned.Load():
		s.bad(LinkLost, size)
	case s.inlet == nil:
		s.bad(BadEnvelope, size)
	case reserved(m.target.Text):
		s.bad(Reserved, size)
	default:
		s.take(m, body, room)
	}
}

// take gives a parcel to the actor system. A panic there is the affair of the process that it is for.
func (s *inletSink) take(m *meta, body []byte, room *[]byte) {
	defer func() {
		if v := recover(); v != nil {
			s.l.e.panicked(s.l.p, m.target.Text, v)
			s.bad(Panicked, len(body))
		}
	}()
	if err := s.inlet.Take(m.target, m.label, m.trace, m.head, body, room); err != nil {
		s.bad(BadEnvelope, len(m.head)+len(body))
	}
}

func (s *inletSink) beat(mark, echo uint64) {
	if mark != 0 {
		s.l.out.answer(mark)
	}
	if echo != 0 {
		s.l.answered(echo)
	}
}

func (s *inletSink) acknowledged(n uint64) error {
	return s.l.out.acknowledged(n)
}

func (s *inletSink) leaves() { s.l.peerLeaves() }

// bad rests after much that means nothing.
func (s *inletSink) bad(reason Reason, size int) {
	l := s.l
	l.e.dropped(l.p, reason, 1)
	if !reason.meaningless() {
		return
	}
	if s.rubbish += frameCost + size; s.rubbish < rubbishDue {
		return
	}
	s.flush() // what came before does not rest too
	network := ""
	if c := l.current(); c != nil {
		network = c.network
	}
	l.wasted(network, s.rubbish)
	s.rubbish = 0
}

func (s *inletSink) flush() {
	if s.parcels > 0 {
		s.l.p.receivedMessages.Add(s.parcels)
		s.parcels = 0
	}
	if s.inlet != nil {
		s.inlet.Flush()
	}
}
