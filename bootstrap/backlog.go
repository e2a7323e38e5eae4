package bootstrap

import (
	"bytes"
	"io"
	"sync"
)

// backlog reads ahead, up to a limit, so that who writes is not held up before it is known what becomes of it. It is itself a reader of
// what was read. The zero value is not usable; see newBacklog.
type backlog struct {
	from io.ReadCloser
	full chan struct{} // closed when the limit was reached for the first time
	over chan struct{} // closed when nothing is read any more

	mu      sync.Mutex
	changed sync.Cond // on mu: buf or err has changed
	buf     bytes.Buffer
	limit   int
	flooded bool // full is closed
	err     error
}

// newBacklog reads from until it ends, or until Close.
func newBacklog(from io.ReadCloser, limit int) *backlog {
	b := &backlog{from: from, full: make(chan struct{}), over: make(chan struct{}), limit: limit}
	b.changed.L = &b.mu
	go b.fill()
	return b
}

// fill ends when from does, or, where nobody reads what has gathered, with Close.
func (b *backlog) fill() {
	defer close(b.over)
	piece := make([]byte, 4<<10)
	for {
		n, err := b.from.Read(piece)
		b.mu.Lock()
		b.buf.Write(piece[:n])
		if err != nil && b.err == nil {
			b.err = err
		}
		if b.buf.Len() >= b.limit && !b.flooded {
			b.flooded = true
			close(b.full)
		}
		b.changed.Broadcast()
		for b.buf.Len() >= b.limit && b.err == nil {
			b.changed.Wait()
		}
		ended := b.err != nil
		b.mu.Unlock()
		if ended {
			return
		}
	}
}

// Read returns what has gathered, and the source's error after the last of it.
func (b *backlog) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.buf.Len() == 0 && b.err == nil {
		b.changed.Wait()
	}
	if b.buf.Len() == 0 {
		return 0, b.err
	}
	n, _ := b.buf.Read(p) // the buffer is not empty
	b.changed.Broadcast()
	return n, nil
}

// Close closes the source; what has gathered can still be read.
func (b *backlog) Close() error {
	b.mu.Lock()
	if b.err == nil {
		b.err = io.ErrClosedPipe
	}
	b.changed.Broadcast()
	b.mu.Unlock()
	return b.from.Close()
}

// wait closes the backlog and waits until the source is not read any more.
func (b *backlog) wait() {
	_ = b.Close() // the source may have ended long ago
	<-b.over
}
