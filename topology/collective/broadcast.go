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
	streamEnd   // to the root of the ending: all below have the result
	streamOver  // from it: it is certain for all
	streamAdopt // to a member below: turn to this one
	streamLeave // to the one above: this one has turned to another
	streamHand  // to a member below: turn to the root, which serves it when all others have everything
	streamLate  // to the root, from one that was sent there: go on from this chunk
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
// the child's own speed. Members that die are left out, see serve and climb; those that are slow are served last, see handover.go.
type spread struct {
	o      *op
	number int // of the tree, among those of the operation
	tree   *tree
	data   chunks
	have   mark             // so many chunks are there
	stock  stock            // of those that came last
	before func(i int) bool // tells, with the member's mu held, whether chunk i may be overwritten; nil: always
	shifts shifts
}

// broadcast brings data from the root to all.
func (o *op) broadcast(trees []tree, data []byte) error {
	var all []func() error
	for t := range trees {
		s := &spread{o: o, number: t, tree: &trees[t], data: o.whole(data).among(t, len(trees)), have: o.newMark()}
		s.shifts.allowed = o.sig.op == opBroadcast
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
	defer s.fade()
	parts := []func() error{}
	if up >= 0 {
		parts = append(parts, func() (err error) { up, err = s.climb(up); return err })
	}
	for _, child := range s.tree.children[me] {
		s.shifts.claim(s.o.m, child)
		parts = append(parts, func() error { return s.serve(child, 0, 0) })
	}
	if len(parts) == 0 {
		return nil
	}
	if err := s.o.each(parts...); err != nil {
		return err
	}
	if up < 0 {
		return s.serveLate()
	}
	err := s.o.send(up, stream(streamDone, s.number), 0, 0, s.accounts())
	if isGoneMember(err, up) { // it had everything itself, or another has taken its place: who that is will ask
		s.o.leaveOut(err, up)
		return nil
	}
	return err
}

// climb receives all chunks, and returns from whom the last came. When its parent is gone a member turns to the one above that, and says
// which chunk it wants next; so it does when another one above tells it to.
func (s *spread) climb(up int) (int, error) {
	o := s.o
	for {
		to, err := s.climbBy(up)
		if isGoneMember(err, up) && s.tree.parent[up] >= 0 {
			o.leaveOut(err, up)
			to, err = s.tree.parent[up], nil
		}
		if err != nil || to < 0 {
			return up, err
		}
		if err := s.turn(up, to, s.chunksHere()); err != nil {
			return up, err
		}
		up = to
	}
}

// climbBy receives chunks from one member, until there is word that another is to be turned to: to, which is -1 where all have come.
func (s *spread) climbBy(up int) (to int, err error) {
	o := s.o
	k := &sink{
		ready: func() bool {
			here := o.marks[s.have]
			return here < s.data.count() && (s.before == nil || s.before(here))
		},
		take: func(p *packet) { s.put(p) },
	}
	defer o.sinkInto(up, stream(streamDown, s.number), k)()
	for {
		p, lost, to, err := s.chunkFrom(up, k)
		if err != nil || p == nil {
			return to, err
		}
		if err := o.pour(k, p, lost); err != nil {
			return -1, err
		}
	}
}

// put puts the next chunk in its place.
func (s *spread) put(p *packet) {
	i := s.chunksHere()
	if !s.o.isLike(p, s.data.piece(i)) {
		return
	}
	s.o.saved.keep(s.data.piece(i))
	copy(s.data.piece(i), p.payload)
	from := p.from
	s.stock.put(i, p)
	s.came(i+1, from)
}

// chunksHere is how many chunks are there; for who puts them, or stands in for him.
func (s *spread) chunksHere() int {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	return s.o.marks[s.have]
}

func (s *spread) attach(up int, next uint64) error {
	return s.o.send(up, stream(streamAttach, s.number), 0, 0, binary.LittleEndian.AppendUint64(nil, next))
}

// serve sends a member all chunks from next on, the first as the message of index base of its stream, and waits until all below it have them. Where it
// is gone, those below it are served instead, from where they say.
func (s *spread) serve(child, next, base int) error {
	i, left, slow := next, false, false
	var err error
	for t := s.beginServing(); i < s.data.count(); i++ {
		if left, err = s.ready(child, i); err != nil || left {
			break
		}
		if slow = t.isSlow(child, i); slow {
			break
		}
		if err = s.sendChunk(child, i, uint32(base+i-next)); err != nil {
			break
		}
	}
	s.endServing() // who only waits from here on takes nothing of the links
	switch {
	case err != nil:
		return s.orphans(child, err)
	case left:
		s.leftBy(child)
		return nil
	case slow:
		return s.handOver(child, i, base+i-next)
	}
	p, err := s.doneOf(child)
	if err != nil {
		return s.orphans(child, err)
	}
	if p == nil {
		s.leftBy(child)
		return nil
	}
	return s.account(p)
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
	if !isGoneMember(err, gone) {
		return err
	}
	s.o.leaveOut(err, gone)
	return s.guardAll(s.tree.children[gone])
}

// isGoneMember tells whether err says that a member is gone.
func isGoneMember(err error, rank int) bool {
	var gone *goneError
	return errors.As(err, &gone) && gone.rank == rank
}
