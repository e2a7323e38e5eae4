package actor

import "sync"

// blockSize is how many messages a block of a mailbox holds, and the most that a worker takes at once.
const blockSize = 64

// A block is a piece of a mailbox. Those that are empty are shared by all mailboxes, so that one which has grown for a burst, or is idle,
// keeps nothing, and to grow needs no copying.
type block struct {
	messages [blockSize]message
	next     *block
}

var blocks = sync.Pool{New: func() any { return new(block) }}

// A queue holds messages, the oldest first. Its zero value is empty.
type queue struct {
	first, last *block // nil: there are no messages, and there were none since it rested
	begin       int    // of the messages in first
	end         int    // and of those in last
	count       int
}

func (q *queue) push(m *message) {
	switch {
	case q.last == nil:
		q.first = blocks.Get().(*block)
		q.last = q.first
	case q.end == blockSize:
		q.last.next = blocks.Get().(*block)
		q.last, q.end = q.last.next, 0
	}
	q.last.messages[q.end] = *m
	q.end++
	q.count++
}

// tail is the message that was pushed last, or nil.
func (q *queue) tail() *message {
	if q.count == 0 {
		return nil
	}
	return &q.last.messages[q.end-1]
}

// run are the oldest messages, as many as lie together; they stay where they are until they are dropped.
func (q *queue) run() []message {
	if q.first == nil {
		return nil
	}
	return q.first.messages[q.begin:min(blockSize, q.begin+q.count)]
}

// drop removes the oldest n messages, which are of the run.
func (q *queue) drop(n int) {
	if n == 0 {
		return
	}
	clear(q.first.messages[q.begin : q.begin+n])
	q.begin += n
	q.count -= n
	switch {
	case q.count == 0:
		q.begin, q.end = 0, 0
	case q.begin == blockSize:
		empty := q.first
		q.first, q.begin = empty.next, 0
		empty.next = nil
		blocks.Put(empty)
	}
}

// rest lets go of the memory of an empty queue.
func (q *queue) rest() {
	if q.count == 0 && q.first != nil {
		blocks.Put(q.first)
		*q = queue{}
	}
}

// after gives all messages but the oldest n.
func (q *queue) after(n int) []message {
	all := make([]message, 0, q.count-n)
	for b, left := q.first, q.count; left > 0; b = b.next {
		begin := 0
		if b == q.first {
			begin = q.begin
		}
		part := b.messages[begin:min(blockSize, begin+left)]
		left -= len(part)
		skip := min(n, len(part))
		n -= skip
		all = append(all, part[skip:]...)
	}
	return all
}
