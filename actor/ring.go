package actor

// ring is a queue of messages that grows to what it is asked to hold.
type ring struct {
	buf   []message // its length is a power of two
	head  int
	count int
}

func (r *ring) push(m *message) {
	if r.count == len(r.buf) {
		next := make([]message, max(8, 2*len(r.buf)))
		for i := range r.count {
			next[i] = *r.at(i)
		}
		r.buf, r.head = next, 0
	}
	*r.at(r.count) = *m
	r.count++
}

// at is the place of the message that has i before it.
func (r *ring) at(i int) *message { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// drop removes the oldest n messages.
func (r *ring) drop(n int) {
	end := r.head + n
	clear(r.buf[r.head:min(end, len(r.buf))])
	if end > len(r.buf) {
		clear(r.buf[:end-len(r.buf)])
	}
	r.head = end & (len(r.buf) - 1)
	r.count -= n
}

// shrink lets go of the memory of a burst.
func (r *ring) shrink() {
	if r.count == 0 && len(r.buf) > DefaultCapacity {
		r.buf, r.head = nil, 0
	}
}
