package remote

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tartrl/tlaunch-go/internal/pool"
)

// An outbox holds what waits to be written on a link with one of our own endpoints, encoded already: urgent frames, which pass the others,
// and data; and what was written and is not acknowledged. A large message is cut into chunks, between which all others pass but those to
// the same process. Many goroutines put; the link's writer alone takes. See newOutbox.
type outbox struct {
	limit  int // of data for those who can wait, in bytes
	urgent int // of urgent messages, and of data from those who cannot wait, in bytes
	most   int // of one message's body, in bytes

	entrance      // to the data lane; when it is closing and all is taken, leave is
	idle     bool // the writer waits until there is something to take: it writes nothing
	lanes    [2]outlane
	sent     unacked
	beat     bool   // a sign of life is due
	mark     uint64 // to be answered by the peer; 0: none is due
	echo     uint64 // the peer's, to be answered; 0: none is
	away     bool   // there is no connection
	left     bool   // leave was taken
	parting  bool   // void is to be said when the peer has that

	received atomic.Uint64 // frames of the peer that were handled, for acknowledgements
	told     atomic.Uint64 // the last acknowledgement that was written
	ackDue   bool
}

// outlane is one of the two lanes. Its messages are counted from when they are put until they are acknowledged.
type outlane struct {
	said     said
	page     *page // where frames are added; nil: none yet
	pageSize int
	queue    fifo[entry] // not yet taken
	added    uint64      // entries' bytes that were ever added
	took     uint64      // and taken
	messages int
	bytes    int
	bulk     int               // of the bytes, those of large messages
	large    []*large          // those that have a slot come first
	sizes    int               // of the bodies of those that have one
	slots    [maxSlots]bool    // that are taken
	turn     int               // among those that have a slot: whose chunk is next
	busy     map[string]*large // by target
}

// large is a message on its way in chunks.
type large struct {
	it     item
	slot   int // -1: none yet
	rest   []byte
	behind uint64 // the lane's added when it came: so much is taken before it
	after  []item // to the same process: they wait for it
}

func newOutbox(limit, urgent, most int) *outbox {
	o := &outbox{limit: limit, urgent: urgent, most: most}
	o.some.L = &o.mu
	return o
}

// put queues data, waiting for room until ctx ends or the outbox does. What it refers to is copied, unless it is owned.
func (o *outbox) put(ctx context.Context, it *item) error { return o.putWaiting(ctx, dataLane, it) }

// putUrgent queues an urgent message, waiting for room as put does.
func (o *outbox) putUrgent(ctx context.Context, it *item) error {
	return o.putWaiting(ctx, urgentLane, it)
}

func (o *outbox) putWaiting(ctx context.Context, which int, it *item) error {
	if err := o.fits(it); err != nil {
		return err
	}
	o.mu.Lock()
	if err := o.endLocked(); err != nil {
		o.mu.Unlock()
		return err
	}
	line := lineOf(which, it)
	if len(o.lines[line]) == 0 && o.admitsLocked(which, it) {
		o.pushLocked(which, it)
		o.mu.Unlock()
		return nil
	}
	return o.wait(ctx, line, it, o.admitLocked)
}

// admitsLocked reports whether there is room for a message of one who can wait.
func (o *outbox) admitsLocked(which int, it *item) bool {
	if which == dataLane {
		return o.lanes[dataLane].hasRoom(it.size, isLarge(it), o.limit)
	}
	return o.hasRoomLocked(which, it)
}

// putNow queues into a lane without ever waiting. Of urgent messages, only control passes those that wait for room.
func (o *outbox) putNow(which int, it *item) error {
	if err := o.fits(it); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.endLocked(); err != nil {
		return err
	}
	behind := which == urgentLane && it.size > controlBytes && len(o.lines[lineOf(urgentLane, it)]) > 0
	if behind || !o.hasRoomLocked(which, it) {
		return ErrFull
	}
	o.pushLocked(which, it)
	return nil
}

// hasRoomLocked reports whether there is room for an urgent message, or for data of one who cannot wait.
func (o *outbox) hasRoomLocked(which int, it *item) bool {
	limit := o.urgent
	if which == urgentLane && it.size > controlBytes {
		limit -= limit / sharesOfSmall
	}
	return o.lanes[which].hasRoom(it.size, isLarge(it), limit)
}

// fits refuses what the peer would not take.
func (o *outbox) fits(it *item) error {
	if len(it.data) > o.most {
		return fmt.Errorf("%w: %s of %d bytes, the peer takes %d; raise Config.MaxMessage there", ErrTooLarge, it.typeName, len(it.data), o.most)
	}
	if meta := it.size - len(it.data); meta > metaBytes {
		return fmt.Errorf("%w: ids and header of %s take %d bytes, the limit is %d", ErrTooLarge, it.typeName, meta, metaBytes)
	}
	long := max(len(it.to), len(it.typeName))
	if it.sender != nil {
		long = max(long, len(it.sender.Id), len(it.sender.Address))
	}
	if long > maxName {
		return fmt.Errorf("%w: an id of %d bytes, the limit is %d", ErrTooLarge, long, maxName)
	}
	return nil
}

// nudge asks the writer for a sign of life, which the peer answers with the same mark.
func (o *outbox) nudge(mark uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beat, o.mark = true, mark
	o.some.Signal()
}

// answer has the writer answer a sign of life. Of several, the last.
func (o *outbox) answer(mark uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beat, o.echo = true, mark
	o.some.Signal()
}

// part lets the writer have what is left, as the peer says nothing any more: first that this is known. One of the two sides says the last word.
func (o *outbox) part(last bool) {
	o.drain(errLeft)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ackDue, o.parting = true, last
	o.some.Signal()
}

// end drops what is queued, tells those who wait for room, and returns how many messages were lost.
// The first error given stays.
func (o *outbox) end(err error) (lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for which := range o.lanes {
		lost += o.lanes[which].messages
		o.lanes[which] = outlane{} // its memory is left to the garbage collector: it may be in the middle of being written
	}
	o.sent = unacked{}
	o.shutLocked(err)
	return lost
}

// depth returns what is queued now, or not acknowledged.
func (o *outbox) depth() (messages, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for which := range o.lanes {
		messages += o.lanes[which].messages
		bytes += o.lanes[which].bytes
	}
	return messages, bytes
}

// sharesOfSmall is the part of a bound that large messages leave to small ones: otherwise these would wait for the last chunk of a large one
// that has used it all up.
const sharesOfSmall = 8

// controlBytes is the size of an urgent message up to which it may use all of the bound: credit, cancellations, errors. Answers, which wait
// for room, leave them a share.
const controlBytes = 4 << 10

// hasRoom reports whether a message of a size may be added to a lane of this bound. One that is larger than the bound may where it is the only large
// one, so that what is held is at most the bound and one message.
func (l *outlane) hasRoom(size int, large bool, limit int) bool {
	small, most := l.bytes-l.bulk, limit-limit/sharesOfSmall
	if large {
		return l.bulk == 0 || l.bytes+size <= limit && l.bulk+size <= most
	}
	return small == 0 || small+min(l.bulk, most)+size <= limit
}

// isLarge reports whether a message goes in chunks.
func isLarge(it *item) bool { return len(it.data) > wholeBytes }

func lineOf(lane int, it *item) int {
	line := shortLine
	if lane == urgentLane {
		line = urgentShortLine
	}
	if isLarge(it) {
		line++
	}
	return line
}

func (o *outbox) pushLocked(which int, it *item) {
	if o.idle {
		o.some.Signal()
	}
	l := &o.lanes[which]
	l.messages++
	l.bytes += it.size
	if isLarge(it) {
		l.bulk += it.size
	}
	l.place(it, which == urgentLane)
}

// admitLocked queues the items of those who wait, as far as there is room now.
func (o *outbox) admitLocked() {
	for line := range o.lines {
		which := dataLane
		if line >= urgentShortLine {
			which = urgentLane
		}
		o.callLocked(line, func(it *item) bool { return o.admitsLocked(which, it) }, func(it *item) { o.pushLocked(which, it) })
	}
}

// place gives a message its place among those of the lane.
func (l *outlane) place(it *item, urgent bool) {
	if len(l.busy) > 0 {
		if g := l.busy[it.to]; g != nil {
			g.after = append(g.after, it.kept())
			return
		}
	}
	if isLarge(it) {
		g := &large{it: it.kept(), slot: -1, behind: l.added}
		if l.busy == nil {
			l.busy = map[string]*large{}
		}
		l.busy[it.to] = g
		l.large = append(l.large, g)
		return
	}
	p := l.pageFor(it.size + slack)
	at := len(p.buf)
	b := l.said.addMeta(addHead(p.buf), it)
	body := it.data
	if len(body) <= copiedBytes {
		b, body = append(b, body...), nil
	}
	setHead(b, at, it.kind()|laneBit(urgent), len(body))
	e := l.stand(p, at, b, it.size)
	switch {
	case body == nil && it.room != nil:
		pool.Put(it.room)
	case body != nil:
		k := it.kept()
		e.body, e.room = k.data, k.room
		l.added += uint64(len(body))
	}
}

// stand queues the frame of a message, of a size, that was written to a page: b, from at.
func (l *outlane) stand(p *page, at int, b []byte, size int) *entry {
	p.filled(b)
	e := l.queue.last()
	if e != nil && e.page == p && e.body == nil {
		e.to = len(b)
	} else {
		l.queue.push(entry{page: p, from: at, to: len(b)})
		p.refs++
		e = l.queue.last()
	}
	e.frames++
	e.messages++
	e.bytes += size
	l.added += uint64(len(b) - at)
	return e
}

const (
	slack       = 64       // what a frame takes at most beside its item's size
	copiedBytes = 16 << 10 // a body up to this stands in a page behind what is before it, a larger one by itself
)

func laneBit(urgent bool) frameKind {
	if urgent {
		return frameUrgent
	}
	return 0
}

// kept is the item with memory of its own.
func (it *item) kept() item {
	k := *it
	if k.owned {
		return k
	}
	k.room = pool.Get(len(it.data))
	copy(*k.room, it.data)
	k.data, k.head, k.owned = *k.room, slices.Clone(it.head), true
	return k
}

func (it *item) kind() frameKind {
	switch {
	case it.traced > 0:
		return frameTraced
	case it.parcel:
		return frameParcel
	}
	return frameMessage
}
