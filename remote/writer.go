package remote

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
)

const (
	loadBytes   = 256 << 10 // of chunks in one write, at most, and of what is written again
	gatherBytes = 128 << 10 // of frames of one lane in one write
)

// A writer is what the link's writer goroutine has taken from the outbox and not yet written.
type writer struct {
	load   net.Buffers // what is written at once
	ack    [frameHead + binary.MaxVarintLen64]byte
	fresh  int // messages that the load completes
	resent int // messages in it that were written before
	stride stride
}

// A taking says what became of an attempt to take something.
type taking int

const (
	taken   taking = iota // there is a load
	halted                // there is no connection
	nothing               // the outbox has ended
)

// take fills the writer's load, waiting until there is something. The load before counts as written.
func (o *outbox) take(w *writer) taking {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(w.load)
	w.load, w.fresh, w.resent = w.load[:0], 0, 0
	for {
		o.settleLocked()
		switch {
		case o.err != nil:
			return nothing
		case o.away:
			return halted
		}
		if o.ackDue {
			o.ackDue = false
			w.acknowledge(o)
		}
		if !o.sent.again(w) {
			o.takeNewLocked(w)
		}
		if o.beat {
			if len(w.load) == 0 { // nothing was written for a while
				for which := range o.lanes {
					o.lanes[which].shrink()
				}
			}
			w.load = append(w.load, beatFrame(o.mark, o.echo))
			o.beat, o.mark, o.echo = false, 0, 0
		}
		if len(w.load) > 0 {
			return taken
		}
		if o.parting && o.left && o.sent.acked == o.sent.seq {
			o.parting = false
			w.load = append(w.load, voidFrame)
			return taken
		}
		o.idle = true
		o.some.Wait()
		o.idle = false
	}
}

// beatFrame is a sign of life: section 7 of WIRE.md.
func beatFrame(mark, echo uint64) []byte {
	b := addHead(make([]byte, 0, frameHead+2*binary.MaxVarintLen64))
	b = binary.AppendUvarint(b, mark)
	b = binary.AppendUvarint(b, echo)
	setHead(b, 0, frameBeat, 0)
	return b
}

// acknowledge adds to the load what the peer may forget: section 8 of WIRE.md.
func (w *writer) acknowledge(o *outbox) {
	n := o.received.Load()
	o.told.Store(n)
	b := binary.AppendUvarint(addHead(w.ack[:0]), n)
	setHead(b, 0, frameAck, 0)
	w.load = append(w.load, b)
}

// takeNewLocked adds what was not written before to the load.
func (o *outbox) takeNewLocked(w *writer) {
	before := o.sent.seq
	for which := range o.lanes {
		o.takeFramesLocked(w, which)
	}
	room := w.stride.bytes()
	for which := range o.lanes {
		for room > 0 && o.takeChunkLocked(w, which) {
			room -= inlineBytes
		}
	}
	if o.closing != nil && !o.left && o.sent.seq == before && len(o.lanes[0].large)+len(o.lanes[1].large) == 0 {
		o.left = true
		leave := addHead(nil)
		setHead(leave, 0, frameLeave, 0)
		o.sentLocked(w, entry{head: leave, frames: 1})
	}
}

// sentLocked adds frames to the load, and to what the peer has to acknowledge.
func (o *outbox) sentLocked(w *writer, e entry) {
	o.sent.add(e)
	w.fresh += e.messages
	w.load = append(w.load, e.head)
	if len(e.body) > 0 {
		w.load = append(w.load, e.body)
	}
}

func (o *outbox) takeFramesLocked(w *writer, which int) {
	l := &o.lanes[which]
	for size := 0; size < gatherBytes; {
		e, ok := l.queue.pop()
		if !ok {
			return
		}
		e.lane, e.head = which, e.page.buf[e.from:e.to]
		n := len(e.head) + len(e.body)
		size += n
		l.took += uint64(n)
		o.sentLocked(w, e)
	}
}

// takeChunkLocked adds the next chunk of a large message to the load, and reports whether there was one.
func (o *outbox) takeChunkLocked(w *writer, which int) bool {
	l := &o.lanes[which]
	if len(l.large) == 0 {
		return false
	}
	urgent := which == urgentLane
	open := l.openSlots(o.most)
	if open == 0 {
		return false
	}
	l.turn++
	g := l.large[l.turn%open]
	e := entry{lane: which, head: make([]byte, 0, 8), frames: 1, bulk: true}
	if len(g.rest) == len(g.it.data) {
		e.head, e.frames = announce(g, urgent), 2
	}
	n := min(len(g.rest), inlineBytes)
	at := len(e.head)
	e.head = append(addHead(e.head), byte(g.slot))
	setHead(e.head, at, frameChunk|laneBit(urgent), n)
	e.body, g.rest = g.rest[:n], g.rest[n:]
	if len(g.rest) == 0 {
		e.messages, e.bytes, e.room = 1, g.it.size, g.it.room
		l.finish(g, urgent)
	}
	o.sentLocked(w, e)
	return true
}

// openSlots gives slots to those that wait for one, and returns how many have one.
func (l *outlane) openSlots(most int) (open int) {
	for _, g := range l.large {
		if g.slot < 0 {
			size := len(g.it.data)
			slot := slices.Index(l.slots[:], false)
			if slot < 0 || l.took < g.behind || l.sizes > 0 && l.sizes+size > most {
				break // in order: the first is not passed for ever
			}
			g.slot, g.rest = slot, g.it.data
			l.slots[slot] = true
			l.sizes += size
		}
		open++
	}
	return open
}

// announce is the frame before the first chunk. It passes frames that were encoded before it, so its names are not those of the table.
func announce(g *large, urgent bool) []byte {
	b := append(addHead(nil), byte(g.slot), byte(g.it.kind()))
	b = binary.AppendUvarint(b, uint64(len(g.it.data)))
	b = (*said)(nil).addMeta(b, &g.it)
	setHead(b, 0, frameOpen|laneBit(urgent), 0)
	return b
}

// finish forgets a large message whose last chunk is taken, and lets go those that waited for it.
func (l *outlane) finish(g *large, urgent bool) {
	l.slots[g.slot] = false
	l.sizes -= len(g.it.data)
	i := slices.Index(l.large, g)
	l.large = slices.Delete(l.large, i, i+1)
	delete(l.busy, g.it.to)
	for i := range g.after {
		l.place(&g.after[i], urgent)
	}
}

// writeTo writes the load to a connection.
func (w *writer) writeTo(conn io.Writer) (n int64, err error) { return writeAll(conn, w.load) }
