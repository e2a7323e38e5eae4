package remote

import (
	"fmt"

	"github.com/tartrl/tlaunch-go/internal/pool"
)

// An entry is one frame or several that follow each other, until the peer has acknowledged them. A part of its last frame may stand
// elsewhere than the rest.
type entry struct {
	page       *page // nil: head is by itself
	from, to   int   // of page: head, until that is set
	head, body []byte
	room       *[]byte // lent, and given back in the end; nil: nothing
	frames     int
	lane       int
	messages   int // that are whole with this entry, and what they count for in their lane
	bytes      int
	bulk       bool   // they are of a large message
	last       uint64 // the number of its last frame
}

// unacked is what was taken by the writer and is not acknowledged, in the order in which it is written. Frames are numbered from 1 as long
// as the link lives.
type unacked struct {
	entries fifo[entry]
	seq     uint64 // the number of the last frame that was taken
	acked   uint64 // the peer has all up to this, as it says
	next    int    // of entries: to be written on this connection before anything that is not among them
	skip    uint64 // all up to this need not be written again
}

// add numbers an entry. Nothing may be left to be written again.
func (u *unacked) add(e entry) {
	u.seq += uint64(e.frames)
	e.last = u.seq
	u.entries.push(e)
	u.next = u.entries.len()
}

// again fills the load with what has to be written again, and reports whether there was something.
func (u *unacked) again(w *writer) bool {
	size := 0
	for size < loadBytes && u.next < u.entries.len() {
		e := u.entries.at(u.next)
		u.next++
		head := e.head
		messages := e.messages
		for had := e.last - uint64(e.frames); had < u.skip; had++ { // never the last frame, so that body needs no look
			n, _ := headOf(head)
			head = head[frameHead+n:]
			messages--
		}
		w.resent += max(messages, 0)
		w.load = append(w.load, head)
		if len(e.body) > 0 {
			w.load = append(w.load, e.body)
		}
		size += len(head) + len(e.body)
	}
	return size > 0
}

// acknowledged takes the peer's word that it has all frames up to n.
func (o *outbox) acknowledged(n uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acknowledgedLocked(n)
}

func (o *outbox) acknowledgedLocked(n uint64) error {
	u := &o.sent
	switch {
	case o.err != nil:
		return nil
	case n < u.acked || n > u.seq:
		return fmt.Errorf("%w: frame %d is acknowledged, of %d to %d", errFrame, n, u.acked, u.seq)
	}
	u.acked = n
	if o.parting {
		o.some.Signal()
	}
	if o.idle { // else the writer may be writing what was acknowledged just now, if a peer lies
		o.settleLocked()
	}
	return nil
}

// settleLocked forgets what was acknowledged.
func (o *outbox) settleLocked() {
	u := &o.sent
	for u.entries.len() > 0 && u.entries.at(0).last <= u.acked {
		e, _ := u.entries.pop()
		u.next = max(u.next-1, 0)
		l := &o.lanes[e.lane]
		l.messages -= e.messages
		l.bytes -= e.bytes
		if e.bulk {
			l.bulk -= e.bytes
		}
		if e.page != nil {
			e.page.release()
		}
		if e.room != nil {
			pool.Put(e.room)
		}
	}
	if o.err == nil && o.awaitedLocked() {
		o.admitLocked()
	}
}

// resume has all written again that the peer does not have, and reports whether that is less than was known. The writer must be halted.
func (o *outbox) resume(received uint64) (advanced bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	advanced = received > o.sent.acked
	if err := o.acknowledgedLocked(received); err != nil {
		return false, err
	}
	o.settleLocked()
	o.sent.next, o.sent.skip = 0, received
	return advanced, nil
}

// carry says whether there is a connection to write to.
func (o *outbox) carry(there bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away, o.ackDue = !there, false
	o.beat = there // so that the other end hears at once that this one is there
	o.some.Signal()
}

// acknowledge has the writer tell the peer what has come.
func (o *outbox) acknowledge() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ackDue = true
	o.some.Signal()
}

// moved is how many frames, of both sides, are known to have arrived. It grows.
func (o *outbox) moved() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent.acked + o.received.Load()
}

// delivered reports whether the peer has all messages that were put, as it says.
func (o *outbox) delivered() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for which := range o.lanes {
		if l := &o.lanes[which]; l.queue.len() > 0 || len(l.large) > 0 {
			return false
		}
	}
	for i := range o.sent.entries.len() { // what is acknowledged may not be settled yet
		if e := o.sent.entries.at(i); e.messages > 0 && e.last > o.sent.acked {
			return false
		}
	}
	return true
}

// isClosing reports whether nothing more is put.
func (o *outbox) isClosing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing != nil
}
