package remote

// fifo is a queue whose memory is used again. Its zero value is empty.
type fifo[T any] struct {
	items []T
	first int // of items that is not popped
}

func (q *fifo[T]) len() int { return len(q.items) - q.first }

func (q *fifo[T]) at(i int) *T { return &q.items[q.first+i] }

// last is what was pushed last, or nil.
func (q *fifo[T]) last() *T {
	if q.len() == 0 {
		return nil
	}
	return &q.items[len(q.items)-1]
}

func (q *fifo[T]) push(v T) {
	if len(q.items) == cap(q.items) && 2*q.first > len(q.items) {
		n := copy(q.items, q.items[q.first:])
		clear(q.items[n:])
		q.items, q.first = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

func (q *fifo[T]) pop() (v T, ok bool) {
	if q.len() == 0 {
		return v, false
	}
	var none T
	v, q.items[q.first] = q.items[q.first], none
	if q.first++; q.first == len(q.items) {
		q.items, q.first = q.items[:0], 0
	}
	return v, true
}
