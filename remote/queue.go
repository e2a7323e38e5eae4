package remote

import "context"

// A queue holds what waits to be written on the link of a stock peer: urgent messages, which pass the others, and data.
// Many goroutines put; one takes. The zero value is not usable; see newQueue.
type queue struct {
	limit  int // of data for those who can wait, in bytes
	urgent int // of urgent messages, and of data from those who cannot wait, in bytes

	entrance // to the data lane
	lanes    [2]lane
}

type lane struct {
	items []item
	bytes int
}

const (
	urgentLane = iota
	dataLane
)

func newQueue(limit, urgent int) *queue {
	q := &queue{limit: limit, urgent: urgent}
	q.some.L = &q.mu
	return q
}

// put queues data, waiting for room until ctx ends or the queue does.
func (q *queue) put(ctx context.Context, it item) error {
	q.mu.Lock()
	if err := q.endLocked(); err != nil {
		q.mu.Unlock()
		return err
	}
	if len(q.lines[shortLine]) == 0 && q.roomLocked(&it) {
		q.pushLocked(dataLane, &it)
		q.mu.Unlock()
		return nil
	}
	return q.wait(ctx, shortLine, &it, q.admitLocked)
}

// putNow queues into a lane without ever waiting.
func (q *queue) putNow(which int, it item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.endLocked(); err != nil {
		return err
	}
	if l := &q.lanes[which]; l.bytes > 0 && l.bytes+it.size > q.urgent {
		return ErrFull
	}
	q.pushLocked(which, &it)
	return nil
}

// take returns at most about max bytes of messages, at least one, urgent ones first. It waits for them. It returns
// nothing after the last message or when the queue was ended.
func (q *queue) take(max int, into []item) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil {
			return into
		}
		size := 0
		for which := range q.lanes {
			l := &q.lanes[which]
			n := 0
			for n < len(l.items) && (size == 0 || size+l.items[n].size <= max) {
				size += l.items[n].size
				l.bytes -= l.items[n].size
				n++
			}
			into = append(into, l.items[:n]...)
			l.removeFirst(n)
			if len(l.items) > 0 {
				break // what is behind must not pass
			}
		}
		q.admitLocked()
		if size > 0 {
			return into
		}
		if q.closing != nil {
			return into
		}
		q.some.Wait()
	}
}

// end drops what is queued, tells those who wait for room, and returns how many messages were lost.
// The first error given stays.
func (q *queue) end(err error) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for which := range q.lanes {
		lost += len(q.lanes[which].items)
		q.lanes[which] = lane{}
	}
	q.shutLocked(err)
	return lost
}

// ended reports whether the queue has ended with what was in it, rather than been drained.
func (q *queue) ended() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err != nil
}

// depth returns what is queued now.
func (q *queue) depth() (messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for which := range q.lanes {
		messages += len(q.lanes[which].items)
		bytes += q.lanes[which].bytes
	}
	return messages, bytes
}

func (q *queue) roomLocked(it *item) bool {
	l := &q.lanes[dataLane]
	return l.bytes == 0 || l.bytes+it.size <= q.limit
}

func (q *queue) pushLocked(which int, it *item) {
	l := &q.lanes[which]
	l.items = append(l.items, *it)
	l.bytes += it.size
	q.some.Signal()
}

// admitLocked queues the items of those who wait, as far as there is room now.
func (q *queue) admitLocked() {
	q.callLocked(shortLine, q.roomLocked, func(it *item) { q.pushLocked(dataLane, it) })
}

// removeFirst forgets the first n items, and their references, without moving the rest more often than they are taken.
func (l *lane) removeFirst(n int) {
	clear(l.items[:n])
	if n == len(l.items) {
		l.items = l.items[:0]
		if cap(l.items) > 4096 {
			l.items = nil // a burst does not keep its memory
		}
		return
	}
	l.items = l.items[n:]
}
