package table

// SlabSize is how much memory a [Store] takes at a time for small payloads:
// a whole number of pages of every system, so that nothing of it is lost.
const SlabSize = 256 << 10

// A Store holds payloads by number, each with a count of those who refer to
// it. Bytes once stored are never overwritten: who has got them keeps them
// for as long as it likes, whatever the store does.
//
// The zero Store is ready. Limits: 2³² - 1 payloads, and as many bytes in one.
type Store struct {
	payloads vec[payload]
	free     uint32 // number + 1 of a free payload, whose offset names the next likewise
	slabs    []slab
	empty    []uint32 // slabs without memory
	current  uint32   // slab + 1 that takes small payloads; 0: none yet
	held     int64    // bytes of memory
	used     int64    // of them, those that payloads have or had
	bytes    int64    // of these, those of payloads
	count    int
}

type payload struct{ slab, offset, length, refs uint32 }

// slab is memory that several payloads share.
type slab struct {
	data []byte   // as far as it is used
	ids  []uint32 // payloads that were put here; those that have gone may have other places by now
	live int      // bytes in use
}

// Bytes is how many bytes the payloads have.
func (s *Store) Bytes() int64 { return s.bytes }

// Len is how many payloads there are.
func (s *Store) Len() int { return s.count }

// Put stores a copy of b and returns its number, which counts as one referral.
func (s *Store) Put(b []byte) uint32 { return s.add(s.place(b)) }

// A Span is a part of a slice of bytes.
type Span struct{ Offset, Length uint32 }

// PutShared stores the parts of whole without a copy, and returns their
// numbers. Nobody may write there any more. The memory goes when most of it is
// of no use.
func (s *Store) PutShared(whole []byte, parts []Span) []uint32 {
	at := s.newSlab(whole)
	ids := make([]uint32, len(parts))
	for i, p := range parts {
		ids[i] = s.add(at, p.Offset, p.Length)
	}
	s.tidy(at)
	return ids
}

// place copies b to where it may stay: into the current slab, or one of its own.
func (s *Store) place(b []byte) (at, offset, length uint32) {
	length = uint32(len(b))
	if len(b) > SlabSize/4 {
		own := make([]byte, len(b)) // with the copy right behind it, so that it is not cleared first
		copy(own, b)
		return s.newSlab(own), 0, length
	}
	if s.current == 0 || len(s.slabs[s.current-1].data)+len(b) > SlabSize {
		old := s.current
		s.current = s.newSlab(make([]byte, 0, SlabSize)) + 1
		if old > 0 && s.slabs[old-1].live == 0 {
			s.drop(old - 1)
		}
	}
	at = s.current - 1
	sl := &s.slabs[at]
	offset = uint32(len(sl.data))
	sl.data = append(sl.data, b...)
	s.used += int64(len(b))
	return at, offset, length
}

func (s *Store) newSlab(data []byte) uint32 {
	s.held += int64(cap(data))
	s.used += int64(len(data))
	if n := len(s.empty); n > 0 {
		at := s.empty[n-1]
		s.empty = s.empty[:n-1]
		s.slabs[at] = slab{data: data}
		return at
	}
	s.slabs = append(s.slabs, slab{data: data})
	return uint32(len(s.slabs) - 1)
}

// drop lets go of a slab's memory.
func (s *Store) drop(at uint32) {
	s.held -= int64(cap(s.slabs[at].data))
	s.used -= int64(len(s.slabs[at].data))
	s.slabs[at] = slab{}
	s.empty = append(s.empty, at)
}

// add gives a number to what lies somewhere.
func (s *Store) add(at, offset, length uint32) uint32 {
	id := s.free
	if id > 0 {
		id--
		s.free = s.payloads.at(id).offset
	} else {
		id = s.payloads.len()
		s.payloads.push(payload{})
	}
	*s.payloads.ref(id) = payload{at, offset, length, 1}
	if length > 0 {
		s.note(at, id, length)
	}
	s.bytes += int64(length)
	s.count++
	return id
}

func (s *Store) note(at, id, length uint32) {
	sl := &s.slabs[at]
	sl.ids = append(sl.ids, id)
	sl.live += int(length)
}

// Get is a payload's bytes, which nobody may change.
func (s *Store) Get(id uint32) []byte { return s.bytesOf(s.payloads.at(id)) }

func (s *Store) bytesOf(p payload) []byte {
	if p.length == 0 { // nothing keeps a slab for it
		return []byte{}
	}
	return s.slabs[p.slab].data[p.offset : p.offset+p.length : p.offset+p.length]
}

// Size is how many bytes a payload has.
func (s *Store) Size(id uint32) int64 { return int64(s.payloads.at(id).length) }

// Ref counts one more who refers to a payload.
func (s *Store) Ref(id uint32) { s.payloads.ref(id).refs++ }

// Unref counts one less, and lets the payload go with the last.
func (s *Store) Unref(id uint32) {
	p := s.payloads.ref(id)
	p.refs--
	if p.refs > 0 {
		return
	}
	at := p.slab
	s.bytes -= int64(p.length)
	s.count--
	s.slabs[at].live -= int(p.length)
	p.slab, p.offset = none, s.free
	s.free = id + 1
	s.tidy(at)
}

// tidy lets a slab go when nothing of it is in use. When payloads that have
// gone take more than a sixteenth of all, and more than a few slabs, it moves what is left of the
// emptiest elsewhere. Where items go in the order in which they came nothing
// is ever moved; where they go at random each is, some eight times. What is
// lost at the end of slabs, as the next payload did not fit, does not count:
// it would be lost again, and the moving never end.
func (s *Store) tidy(at uint32) {
	if sl := &s.slabs[at]; sl.live == 0 && sl.data != nil && at+1 != s.current {
		s.drop(at)
	}
	for s.used-s.bytes > s.bytes/16+4*SlabSize {
		if !s.move(s.emptiest()) {
			return
		}
	}
}

// emptiest is the slab of which payloads that have gone take the greatest part.
func (s *Store) emptiest() uint32 {
	worst, of := none, 0.0
	for i := range s.slabs {
		sl := &s.slabs[i]
		if sl.data == nil || uint32(i)+1 == s.current {
			continue
		}
		if gone := 1 - float64(sl.live)/float64(len(sl.data)); gone > of {
			worst, of = uint32(i), gone
		}
	}
	return worst
}

// move puts what is in use of a slab elsewhere, and reports whether there was a slab.
func (s *Store) move(at uint32) bool {
	if at == none {
		return false
	}
	left := s.slabs[at]
	for _, id := range left.ids {
		p := s.payloads.at(id)
		if p.slab != at || p.refs == 0 {
			continue
		}
		to, offset, _ := s.place(left.data[p.offset : p.offset+p.length])
		moved := s.payloads.ref(id)
		moved.slab, moved.offset = to, offset
		s.note(to, id, p.length)
	}
	s.drop(at)
	return true
}
