package remote

import (
	"encoding/binary"
	"io"
	"net"
	"slices"

	"github.com/tartrl/tlaunch-go/internal/pool"
)

const (
	loadBytes   = 256 << 10 // of chunks in one write
	gatherBytes = 128 << 10 // of frames of one lane in one write
	spareKept   = 64 << 10  // memory of a lane that an idle link may keep
)

// A writer is what the link's writer goroutine has taken from the outbox and not yet written.
type writer struct {
	lanes [2]struct {
		out  []byte // frames that nobody adds to any more
		cuts []cut
		at   int // so much of out is written
	}
	load  net.Buffers // what is written at once
	taken struct {
		cuts   [2]cut // messages and bytes of the load
		chunks []piece
	}
}

// A piece is one chunk of a large message, in the load.
type piece struct {
	lane  int
	large *large
}

// take fills the writer's load, waiting until there is something. It returns how many messages it completes, and alive false when nothing will come
// any more. The load before counts as written.
func (o *outbox) take(w *writer) (messages int, alive bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writtenLocked(w)
	for {
		if o.err != nil {
			return 0, false
		}
		for which := range o.lanes {
			messages += o.lanes[which].takeFrames(w, which)
		}
		room := loadBytes
		for which := range o.lanes {
			for room > 0 {
				g := o.lanes[which].takeChunk(w, which, o.most)
				if g == nil {
					break
				}
				room -= inlineBytes
				if len(g.rest) == 0 {
					messages++
				}
			}
		}
		if o.beat {
			if len(w.load) == 0 { // nothing was written for a while
				o.shrinkLocked(w)
			}
			w.load = append(w.load, beatFrame(o.mark, o.echo))
			o.beat, o.mark, o.echo = false, 0, 0
		}
		if len(w.load) > 0 {
			return messages, true
		}
		if o.closing {
			return 0, false
		}
		o.some.Wait()
	}
}

// shrinkLocked lets go of the memory of a burst. To do so whenever the writer has caught up would cost more than all else that it does.
func (o *outbox) shrinkLocked(w *writer) {
	for which := range o.lanes {
		if cap(o.lanes[which].buf) > spareKept {
			o.lanes[which].buf = nil
		}
		if cap(w.lanes[which].out) > spareKept {
			w.lanes[which].out = nil
		}
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

// writtenLocked makes room for what the last load has taken along.
func (o *outbox) writtenLocked(w *writer) {
	if o.err != nil {
		return
	}
	for which := range o.lanes {
		l, c := &o.lanes[which], &w.taken.cuts[which]
		l.messages -= c.messages
		l.bytes -= c.bytes
		*c = cut{}
	}
	for _, p := range w.taken.chunks {
		if len(p.large.rest) == 0 {
			o.lanes[p.lane].finish(p.large, p.lane == urgentLane)
		}
	}
	clear(w.taken.chunks)
	w.taken.chunks = w.taken.chunks[:0]
	clear(w.load)
	w.load = w.load[:0]
	if len(o.waiters) > 0 {
		o.admitLocked()
	}
}

// takeFrames adds frames to the load, up to a cut.
func (l *outlane) takeFrames(w *writer, which int) (messages int) {
	t := &w.lanes[which]
	if len(t.cuts) == 0 {
		if len(l.cuts) == 0 {
			return 0
		}
		l.buf, t.out, t.at = t.out[:0], l.buf, 0
		l.cuts, t.cuts = nil, l.cuts
	}
	from, taken := t.at, &w.taken.cuts[which]
	for len(t.cuts) > 0 && (t.at == from || t.cuts[0].end-from <= gatherBytes) {
		c := t.cuts[0]
		taken.messages += c.messages
		taken.bytes += c.bytes
		t.at, t.cuts = c.end, t.cuts[1:]
	}
	l.took += uint64(t.at - from)
	w.load = append(w.load, t.out[from:t.at])
	return taken.messages
}

// takeChunk adds the next chunk of a large message to the load, and returns the message, or nil where there is none.
func (l *outlane) takeChunk(w *writer, which, most int) *large {
	if len(l.large) == 0 {
		return nil
	}
	urgent := which == urgentLane
	open := l.openSlots(most)
	for range open {
		l.turn++
		g := l.large[l.turn%open]
		if len(g.rest) == 0 {
			continue // all of it is in the load
		}
		head := make([]byte, 0, 8)
		if len(g.rest) == len(g.it.data) {
			head = announce(g, urgent)
		}
		n := min(len(g.rest), inlineBytes)
		at := len(head)
		head = append(addHead(head), byte(g.slot))
		setHead(head, at, frameChunk|laneBit(urgent), n)
		w.load = append(w.load, head, g.rest[:n])
		g.rest = g.rest[n:]
		w.taken.chunks = append(w.taken.chunks, piece{which, g})
		return g
	}
	return nil
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

// finish forgets a large message that is written, and lets go those that waited for it.
func (l *outlane) finish(g *large, urgent bool) {
	if g.slot < 0 {
		return // it was done: two of its chunks were in one load
	}
	l.slots[g.slot] = false
	g.slot = -1
	l.sizes -= len(g.it.data)
	l.messages--
	l.bytes -= g.it.size
	for i := range l.large {
		if l.large[i] == g {
			l.large = append(l.large[:i], l.large[i+1:]...)
			break
		}
	}
	delete(l.busy, g.it.to)
	if g.it.room != nil {
		pool.Put(g.it.room)
	}
	for i := range g.after {
		it := &g.after[i]
		l.place(it, urgent)
		if it.room != nil && l.busy[it.to] == nil {
			pool.Put(it.room) // place has copied it
		}
	}
}

// writeTo writes the load to a connection.
func (w *writer) writeTo(conn io.Writer) (n int64, err error) { return writeAll(conn, w.load) }
