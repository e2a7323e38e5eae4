package collective

import (
	"encoding/binary"
	"errors"
	"time"
)

// How a broadcast goes on past members that are slow, or gone. A member that finds one below it to be slow takes those below that one over: it tells them to
// turn to itself (streamAdopt), and they say which chunk they want next, as those do whose parent is gone. The slow one it sends to the root (streamHand),
// which serves it when all others have everything: so it takes nothing of the links that they need, and nobody but the root waits for it.
//
// A member turns only to members further up its tree, so changes make no circle, and each is turned to once. All are accounted for: what a member tells
// the one above when it is done says who is missing, who was sent to the root, and who has left it for another, to whom that one looks itself.

// wordHanded, in the place of the next chunk: the root serves this member.
const wordHanded = ^uint64(0)

// What a member says of another when it is done.
const (
	accountMissing = iota
	accountHanded  // the root is to serve it
	accountLeft    // it has turned to another
)

// shifts is what has changed of a tree in an operation, as a member knows. Guarded by the member's mu.
type shifts struct {
	allowed bool
	handed  map[int]bool   // whom the root is to serve; true: it has
	left    []int          // who has turned to another
	claimed map[int]bool   // whom this member has seen to
	paused  map[int][2]int // at the root: next chunk and message, of those that it has served before
	handsTo int            // members that this one has sent to the root
	isLate  bool           // it was sent there itself
	inside  bool           // a chunk came from a member of this one's host: how fast they come says nothing of links
	timed   bool           // how fast this member sends was measured
	closing bool           // at the root: all others have everything

	serving int       // how many are served now
	first   time.Time // when the first chunk came
	last    time.Time // and the last
}

// claim notes that this member sees to another, and reports whether that is news.
func (h *shifts) claim(m *Member, rank int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.claimed[rank] {
		return false
	}
	if h.claimed == nil {
		h.claimed = map[int]bool{}
	}
	h.claimed[rank] = true
	return true
}

// hand notes that the root is to serve a member.
func (s *spread) hand(rank int) {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	if s.shifts.handed == nil {
		s.shifts.handed = map[int]bool{}
	}
	if _, known := s.shifts.handed[rank]; !known {
		s.shifts.handed[rank] = false
	}
}

// leftBy notes that a member has turned to another.
func (s *spread) leftBy(rank int) {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	s.shifts.left = append(s.shifts.left, rank)
}

// waitingLocked tells whether a message of another member waits on one of the spread's streams.
func (s *spread) waitingLocked(from, about int) bool {
	q := s.o.m.slots[slotKey{s.o.seq, from, stream(about, s.number)}]
	return q != nil && len(q.queue) > 0
}

// takeLocked takes a message without content.
func (s *spread) takeLocked(from, about int) {
	q := s.o.m.slots[slotKey{s.o.seq, from, stream(about, s.number)}]
	p := q.queue[0]
	q.queue, q.next = q.queue[1:], p.index+1
	s.o.m.usedLocked(p)
	p.free()
}

// chunkFrom waits until all chunks are there, for one that k is to take, or for word that another member is to be turned to: to, which is -1 otherwise.
func (s *spread) chunkFrom(up int, k *sink) (p *packet, lost bool, to int, err error) {
	o, root := s.o, s.tree.order[0]
	for {
		to = -1
		asked := -1 // by whom, though the root serves this member
		err = o.wait(up, func() bool {
			if k.busy {
				return false // what it takes may be the last, or is to be there before another is told what comes next
			}
			if o.marks[s.have] == s.data.count() {
				return true
			}
			for a := s.tree.parent[o.m.rank]; a >= 0; a = s.tree.parent[a] {
				switch {
				case !s.waitingLocked(a, streamAdopt):
				case s.shifts.isLate:
					s.takeLocked(a, streamAdopt)
					asked = a
					return true
				case s.isAbove(a, up):
					s.takeLocked(a, streamAdopt)
					to = a
					return true
				}
			}
			if p, lost = o.popLocked(up, stream(streamDown, s.number), k); p != nil {
				return true
			}
			if up == root || !s.waitingLocked(up, streamHand) {
				return false
			}
			s.takeLocked(up, streamHand)
			s.shifts.isLate, to = true, root
			return true
		})
		if err != nil || asked < 0 {
			return p, lost, to, err
		}
		if err := s.attach(asked, wordHanded); err != nil && !isGoneMember(err, asked) {
			return nil, false, -1, err
		}
	}
}

// isAbove tells whether a member is above another in the tree.
func (s *spread) isAbove(a, rank int) bool {
	for up := s.tree.parent[rank]; up >= 0; up = s.tree.parent[up] {
		if up == a {
			return true
		}
	}
	return false
}

// turn has this member get its chunks from another from now on: the next of them first. An error that says that this one is gone is found again by who waits for it.
func (s *spread) turn(from, to, next int) error {
	o := s.o
	o.m.mu.Lock()
	late, gone := s.shifts.isLate, o.missing[from] != nil
	o.m.mu.Unlock()
	o.shutStream(from, stream(streamDown, s.number))
	var err error
	if late {
		err = o.send(to, stream(streamLate, s.number), 0, 0, binary.LittleEndian.AppendUint64(nil, uint64(next)))
	} else {
		err = s.attach(to, uint64(next))
	}
	if err != nil && !isGoneMember(err, to) {
		return err
	}
	if gone {
		return nil
	}
	if err := o.send(from, stream(streamLeave, s.number), 0, 0, nil); err != nil && !isGoneMember(err, from) {
		return err
	}
	return nil
}

// ready waits until chunk i is there and a member below has room for it. left: it has turned to another.
func (s *spread) ready(child, i int) (left bool, err error) {
	o := s.o
	if err := o.wait(-1, func() bool {
		left = s.waitingLocked(child, streamLeave)
		return left || o.marks[s.have] > i
	}); err != nil || left {
		return left, err
	}
	size := headerSize + len(s.data.piece(i))
	way := o.wayOf(child, stream(streamDown, s.number), size)
	err = o.wait(child, func() bool {
		left = s.waitingLocked(child, streamLeave)
		return left || o.hasRoomLocked(way, child, size)
	})
	return left, err
}

// doneOf waits for a member's word that all below it have everything; nil: it has turned to another.
func (s *spread) doneOf(child int) (*packet, error) {
	left := false
	if err := s.o.wait(child, func() bool {
		left = s.waitingLocked(child, streamLeave)
		return left || s.waitingLocked(child, streamDone)
	}); err != nil || left {
		return nil, err
	}
	return s.o.receive(child, stream(streamDone, s.number))
}

// accounts is what the one above is to know of members below this one.
func (s *spread) accounts() (b []byte) {
	s.o.m.mu.Lock()
	defer s.o.m.mu.Unlock()
	add := func(rank, what int) { b = binary.LittleEndian.AppendUint32(b, uint32(rank)|uint32(what)<<30) }
	for rank := range s.o.missing {
		add(rank, accountMissing)
	}
	for rank := range s.shifts.handed {
		add(rank, accountHanded)
	}
	for _, rank := range s.shifts.left {
		add(rank, accountLeft)
	}
	return b
}

// account takes what a member has said of those below it, and sees to those that nobody may see to.
func (s *spread) account(p *packet) error {
	var left []int
	for b := p.payload; len(b) >= 4; b = b[4:] {
		n := binary.LittleEndian.Uint32(b)
		rank := int(n &^ (3 << 30))
		if rank >= len(s.tree.parent) {
			continue
		}
		switch n >> 30 {
		case accountMissing:
			s.o.leaveOut(nil, rank)
		case accountHanded:
			s.hand(rank)
		case accountLeft:
			left = append(left, rank)
		}
	}
	s.o.m.release(s.o.ctx, p)
	return s.guardAll(left)
}

func (s *spread) guardAll(ranks []int) error {
	var all []func() error
	for _, rank := range ranks {
		if s.isAbove(s.o.m.rank, rank) && s.shifts.claim(s.o.m, rank) {
			all = append(all, func() error { return s.guard(rank) })
		}
	}
	return s.o.eachOrNone(all)
}

// guard tells a member to turn to this one, and serves it, unless it has everything or the root does.
func (s *spread) guard(rank int) error {
	o := s.o
	err := o.send(rank, stream(streamAdopt, s.number), 0, 0, nil)
	if err != nil {
		return s.orphans(rank, err)
	}
	p, err := o.receiveUnless(rank, stream(streamAttach, s.number), 1)
	switch {
	case errors.Is(err, ErrLost): // it has done its part
		o.m.mu.Lock()
		certain := !s.shifts.allowed || s.shifts.closing // so have all below it
		o.m.mu.Unlock()
		if certain {
			return nil
		}
		return s.guardAll(s.tree.children[rank])
	case err != nil:
		return s.orphans(rank, err)
	}
	next := uint64(0)
	if len(p.payload) == 8 {
		next = binary.LittleEndian.Uint64(p.payload)
	}
	o.m.release(o.ctx, p)
	if next == wordHanded {
		s.hand(rank)
		return s.guardAll(s.tree.children[rank])
	}
	return s.serve(rank, int(min(next, uint64(s.data.count()))), 0)
}

// handOver has the root serve a member below this one, which is slow, and this one those below that. At the root that means: later.
func (s *spread) handOver(slow, next, index int) error {
	o := s.o
	if s.tree.parent[o.m.rank] < 0 {
		o.m.mu.Lock()
		if s.shifts.paused == nil {
			s.shifts.paused = map[int][2]int{}
		}
		s.shifts.paused[slow] = [2]int{next, index}
		o.m.mu.Unlock()
		s.hand(slow)
		return s.guardAll(s.tree.children[slow])
	}
	return o.each(func() error { return s.guardAll(s.tree.children[slow]) }, func() error {
		err := o.send(slow, stream(streamHand, s.number), 0, 0, nil)
		if err == nil {
			s.hand(slow)
			err = o.wait(slow, func() bool { return s.waitingLocked(slow, streamLeave) })
		}
		if isGoneMember(err, slow) {
			o.leaveOut(err, slow)
			return nil
		}
		return err
	})
}

// serveLate serves, at the root, those that were sent to it, until there are no more.
func (s *spread) serveLate() error {
	for {
		var all []func() error
		s.o.m.mu.Lock()
		s.shifts.closing = true
		for rank, served := range s.shifts.handed {
			if !served {
				s.shifts.handed[rank] = true
				all = append(all, func() error { return s.serveOneLate(rank) })
			}
		}
		s.o.m.mu.Unlock()
		if len(all) == 0 {
			return nil
		}
		if err := s.o.each(all...); err != nil {
			return err
		}
	}
}

func (s *spread) serveOneLate(rank int) error {
	o := s.o
	o.m.mu.Lock()
	at, paused := s.shifts.paused[rank]
	o.m.mu.Unlock()
	if paused {
		return s.serve(rank, at[0], at[1])
	}
	p, err := o.receiveUnless(rank, stream(streamLate, s.number), 1)
	switch {
	case errors.Is(err, ErrLost): // it had everything before it heard of it
		return nil
	case err != nil:
		return s.orphans(rank, err)
	}
	next := uint64(0)
	if len(p.payload) == 8 {
		next = binary.LittleEndian.Uint64(p.payload)
	}
	o.m.release(o.ctx, p)
	return s.serve(rank, int(min(next, uint64(s.data.count()))), 0)
}
