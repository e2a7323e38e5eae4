package resume

// ring keeps the bytes of which it is not known that they have arrived, by their offsets in the stream. Its memory grows with what it
// holds and is given up when it is empty. Its zero value is ready.
type ring struct {
	buf  []byte // its length is a power of two, or zero
	base uint64 // offset of the first byte that is kept
	size int    // bytes that are kept
}

const (
	smallRing = 4 << 10
	keptRing  = 64 << 10 // what an empty ring may go on holding
)

// end is the offset behind the last byte.
func (r *ring) end() uint64 { return r.base + uint64(r.size) }

func (r *ring) append(b []byte) {
	if len(b) == 0 {
		return
	}
	if need := r.size + len(b); need > len(r.buf) {
		r.grow(need)
	}
	// An offset's place is its lowest bits, so base and end need no places of their own.
	n := copy(r.buf[r.place(r.end()):], b)
	copy(r.buf, b[n:])
	r.size += len(b)
}

func (r *ring) grow(need int) {
	length := max(len(r.buf), smallRing)
	for length < need {
		length *= 2
	}
	old := *r
	r.buf, r.size = make([]byte, length), 0
	if old.size > 0 {
		first, second := old.from(old.base)
		r.append(first)
		r.append(second)
	}
}

func (r *ring) place(offset uint64) int { return int(offset & uint64(len(r.buf)-1)) }

// from returns the bytes from offset on, which must be kept, in two parts.
func (r *ring) from(offset uint64) (first, second []byte) {
	n := int(r.end() - offset)
	if n == 0 {
		return nil, nil
	}
	first = r.buf[r.place(offset):]
	if n <= len(first) {
		return first[:n], nil
	}
	return first, r.buf[:n-len(first)]
}

// appendTo appends to b at most limit bytes from offset on.
func (r *ring) appendTo(b []byte, offset uint64, limit int) []byte {
	first, second := r.from(offset)
	first = first[:min(len(first), limit)]
	second = second[:min(len(second), limit-len(first))]
	return append(append(b, first...), second...)
}

// drop forgets the bytes before offset, which must lie within what is kept.
func (r *ring) drop(offset uint64) {
	r.size -= int(offset - r.base)
	r.base = offset
	if r.size == 0 && len(r.buf) > keptRing {
		r.buf = nil
	}
}
