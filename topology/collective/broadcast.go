package collective

import (
	"encoding/binary"
	"errors"
)

// Streams of an operation: what it is about, and a number: of a tree, or of a member.
const (
	streamDown   = iota + 1 // chunks from the root
	streamDone              // from a child: all below it have everything
	streamAttach            // from a member whose parent is gone: go on from this chunk
	streamUp                // chunks towards the root
	streamRing
	streamPart // chunks that concern one member
	streamReport
	streamVerdict
	streamStep
)

func stream(about, number int) uint32 { return uint32(about)<<24 | uint32(number) }

// chunks is how data is cut, and which of the pieces go one way: every step-th from first on.
type chunks struct {
	data        []byte
	size        int // of a piece
	first, step int
}

func (o *op) whole(data []byte) chunks { return chunks{data, int(o.sig.chunk), 0, 1} }

// among is the part of the pieces that goes along the tree t of n.
func (c chunks) among(t, n int) chunks {
	c.first, c.step = t, n
	return c
}

func (c chunks) count() int {
	all := (len(c.data) + c.size - 1) / c.size
	return max(0, (all-c.first+c.step-1)/c.step)
}

func (c chunks) piece(i int) []byte {
	at := (c.first + i*c.step) * c.size
	return c.data[at:min(at+c.size, len(c.data))]
}

// A spread brings data from the root of a tree to all, chunk by chunk: each member sends a chunk on as soon as it has it, to each child at
// the child's own speed. Members that die are left out: see serve and climb.
type spread struct {
	o      *op
	number int // of the tree, among those of the operation
	tree   *tree
	data   chunks
	have   mark              // so many chunks are there
	stock  stock             // of those that came last
	before func(i int) error // waits until chunk i may be overwritten; nil: at once
}

// broadcast brings data from the root to all.
func (o *op) broadcast(trees []tree, data []byte) error {
	var all []func() error
	for t := range trees {
		s := &spread{o: o, number: t, tree: &trees[t], data: o.whole(data).among(t, len(trees)), have: o.newMark()}
		if trees[t].parent[o.m.rank] < 0 {
			o.advance(s.have, s.data.count())
		}
		all = append(all, s.run)
	}
	return o.each(all...)
}

// run does the member's part. At the root chunks are there as s.have says.
func (s *spread) run() error {
	me := s.o.m.rank
	up := s.tree.parent[me]
	s.stock = stock{o: s.o, takers: len(s.tree.children[me])}
	defer s.stock.empty()
	parts := []func() error{}
	if up >= 0 {
		parts = append(parts, func() (err error) { up, err = s.climb(up); return err })
	}
	for _, child := range s.tree.children[me] {
		parts = append(parts, func() error { return s.serve(child, 0) })
	}
	if len(parts) == 0 {
		return nil
	}
	if err := s.o.each(parts...); err != nil || up < 0 {
		return err
	}
	err := s.o.send(up, stream(streamDone, s.number), 0, 0, s.o.missingRanks())
	if isGoneMember(err, up) { // it had everything itself, or another has taken its place: who that is will ask
		s.o.leaveOut(err, up)
		return nil
	}
	return err
}

// climb receives all chunks, and returns from whom the last came. When its parent is gone a member turns to the one above that, and says
// which chunk it wants next.
func (s *spread) climb(up int) (int, error) {
	o := s.o
	for i := 0; i < s.data.count(); {
		p, err := o.receiveLike(up, stream(streamDown, s.number), s.data.piece(i))
		if isGoneMember(err, up) && s.tree.parent[up] >= 0 {
			o.leaveOut(err, up)
			up = s.tree.parent[up]
			if err = s.attach(up, i); err == nil || isGoneMember(err, up) {
				continue
			}
		}
		if err != nil {
			return up, err
		}
		if s.before != nil {
			if err := s.before(i); err != nil {
				o.m.release(o.ctx, p)
				return up, err
			}
		}
		copy(s.data.piece(i), p.payload)
		s.stock.put(i, p)
		i++
		o.advance(s.have, i)
	}
	return up, nil
}

func (s *spread) attach(up, next int) error {
	return s.o.send(up, stream(streamAttach, s.number), 0, 0, binary.LittleEndian.AppendUint64(nil, uint64(next)))
}

// serve sends a member all chunks from next on, and waits until all below it have them. Where it is gone, those below it are
// served instead, from where they say.
func (s *spread) serve(child, next int) error {
	o := s.o
	for i := next; i < s.data.count(); i++ {
		if err := o.reach(s.have, i+1); err != nil {
			return err
		}
		if err := s.sendChunk(child, i, uint32(i-next)); err != nil {
			return s.orphans(child, err)
		}
	}
	p, err := o.receive(child, stream(streamDone, s.number))
	if err != nil {
		return s.orphans(child, err)
	}
	for b := p.payload; len(b) >= 4; b = b[4:] {
		if rank := int(binary.LittleEndian.Uint32(b)); rank < len(s.tree.parent) {
			o.leaveOut(nil, rank)
		}
	}
	o.m.release(o.ctx, p)
	return nil
}

// sendChunk sends a chunk as the message of that index: in the memory in which it came, where nobody else needs that.
func (s *spread) sendChunk(to, i int, index uint32) error {
	if p := s.stock.take(i); p != nil {
		return s.o.forward(p, to, stream(streamDown, s.number), index)
	}
	return s.o.send(to, stream(streamDown, s.number), index, 0, s.data.piece(i))
}

// orphans serves the members below one that is gone.
func (s *spread) orphans(gone int, err error) error {
	o := s.o
	if !isGoneMember(err, gone) {
		return err
	}
	o.leaveOut(err, gone)
	var all []func() error
	for _, child := range s.tree.children[gone] {
		all = append(all, func() error {
			p, err := o.receiveUnless(child, stream(streamAttach, s.number), 1)
			if errors.Is(err, ErrLost) {
				return nil // it had done its part, and all below it, before the one above it was gone
			}
			if err != nil {
				return s.orphans(child, err)
			}
			next := uint64(0)
			if len(p.payload) == 8 {
				next = binary.LittleEndian.Uint64(p.payload)
			}
			o.m.release(o.ctx, p)
			return s.serve(child, int(min(next, uint64(s.data.count()))))
		})
	}
	if len(all) == 0 {
		return nil
	}
	return o.each(all...)
}

// missingRanks is those who are known to be missing, as they travel.
func (o *op) missingRanks() []byte {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	var b []byte
	for rank := range o.missing {
		b = binary.LittleEndian.AppendUint32(b, uint32(rank))
	}
	return b
}

// isGoneMember tells whether err says that a member is gone.
func isGoneMember(err error, rank int) bool {
	var gone *goneError
	return errors.As(err, &gone) && gone.rank == rank
}
