package collective

import (
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
)

// How a message goes to another member: its memory goes with it, so that what a member only passes on is never copied.

// send sends the next message of a stream to another member, once that one has room. The payload is copied.
func (o *op) send(to int, stream, index uint32, flags uint8, payload []byte) error {
	size := headerSize + len(payload)
	way := o.wayOf(to, stream, size)
	if err := o.await(way, to, size); err != nil {
		return err
	}
	return o.sendReserved(way, to, stream, index, flags, payload)
}

// sendReserved is send of what there is room for on a way.
func (o *op) sendReserved(way *lane, to int, stream, index uint32, flags uint8, payload []byte) error {
	message := pool.Get(headerSize + len(payload))
	copy((*message)[headerSize:], payload)
	err := o.hand(way, to, stream, index, flags, *message)
	if err != nil {
		pool.Put(message)
	}
	return err
}

// forward sends what has come to another member, as the next message of a stream. The packet is used up, whatever becomes of it.
func (o *op) forward(p *packet, to int, stream, index uint32) error {
	defer o.m.release(o.ctx, p) // also where its memory is gone
	way := o.wayOf(to, stream, len(p.whole))
	if err := o.await(way, to, len(p.whole)); err != nil {
		return err
	}
	err := o.hand(way, to, stream, index, p.flags, p.whole)
	if err == nil {
		p.given = true
	}
	return err
}

// await waits until another member has room for so many bytes on a way, and takes it.
func (o *op) await(way *lane, to, size int) error {
	return o.wait(to, func() bool { return o.reserveLocked(way, to, size) })
}

// reserveLocked takes room at another member for so many bytes on a way, nil: the link, if it has any.
func (o *op) reserveLocked(way *lane, to, size int) bool {
	switch {
	case !o.hasRoomLocked(way, to, size):
		return false
	case way != nil:
		way.reserveLocked(size)
	default:
		o.m.edges[to].out += size
	}
	return true
}

func (o *op) hasRoomLocked(way *lane, to, size int) bool {
	out, window := o.m.edges[to].out, windowBytes
	if way != nil && !way.over {
		out, window = way.out, laneWindow
	}
	if out == 0 || out+size <= window {
		return true
	}
	if way != nil && !way.over {
		o.hearLocked(way) // nobody may have, where messages are small
	}
	return false
}

// hand writes the header of a message for which there is room, and gives its memory away. After an error it is still the caller's.
func (o *op) hand(way *lane, to int, stream, index uint32, flags uint8, message []byte) error {
	m := o.m
	h := header{kind: kindData, flags: flags, from: m.rank, seq: o.seq, stream: stream, index: index, sig: o.sig, instance: m.instance}
	h.put(message)
	if way != nil {
		return way.send(o, message)
	}
	return o.post(to, message)
}

// post gives a message for which there is room to the link.
func (o *op) post(to int, message []byte) error {
	m := o.m
	size, restarts := len(message), o.restarts[to]
	err := actor.Give(o.ctx, m.ref(o.ctx, to), Port.Collective, message)
	m.mu.Lock()
	if e := &m.edges[to]; err == nil {
		e.sent++
	} else if e.restarts == restarts { // it was not sent, and takes nothing there
		e.out = max(0, e.out-size)
	}
	m.mu.Unlock()
	if err != nil && isGone(err) && o.ctx.Err() == nil {
		return o.goneFor(to, err)
	}
	return err
}

// stockMost is how many chunks a member keeps in the memory in which they came, until it can send them on.
const stockMost = 8

// A stock is chunks that have come, are in their place, and are to go on: who takes the last of those that it is for sends that memory, the
// others send copies. Guarded by the member's mu.
type stock struct {
	o      *op
	takers int // of each chunk
	kept   []stocked
}

type stocked struct {
	index, left int
	packet      *packet
}

// put keeps a packet, which is not parked any more, or gives its memory back.
func (s *stock) put(index int, p *packet) {
	s.o.m.used(s.o.ctx, p)
	s.o.m.mu.Lock()
	room := s.takers > 0 && len(s.kept) < stockMost
	if room {
		s.kept = append(s.kept, stocked{index, s.takers, p})
	}
	s.o.m.mu.Unlock()
	if !room {
		p.free()
	}
}

// isFull tells whether the next packet would not be kept. Only who puts them may rely on it.
func (s *stock) isFull() bool {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	return len(s.kept) >= stockMost
}

// take gives a chunk's packet to the last who takes it; nil to the others, and where it was not kept.
func (s *stock) take(index int) *packet {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	for i := range s.kept {
		k := &s.kept[i]
		if k.index != index {
			continue
		}
		if k.left--; k.left > 0 {
			return nil
		}
		p := k.packet
		s.kept = append(s.kept[:i], s.kept[i+1:]...)
		return p
	}
	return nil
}

// empty gives back the memory of what nobody has taken.
func (s *stock) empty() {
	for _, k := range s.kept {
		k.packet.free()
	}
	s.kept = nil
}
