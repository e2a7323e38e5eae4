package actor

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBytes is what a pipe holds in one direction, as a socket would: who writes less does not wait for a reader.
const pipeBytes = 64 << 10

// newPipe makes a stream inside of this process, whose two ends are called so.
func newPipe(one, other string) (net.Conn, net.Conn) {
	a, b := &tube{}, &tube{}
	return &pipeEnd{in: a, out: b, local: nodeAddr(one), remote: nodeAddr(other)},
		&pipeEnd{in: b, out: a, local: nodeAddr(other), remote: nodeAddr(one)}
}

// nodeAddr names who is at an end of a pipe.
type nodeAddr string

func (nodeAddr) Network() string  { return "node" }
func (a nodeAddr) String() string { return string(a) }

// A pipeEnd is one end of two tubes.
type pipeEnd struct {
	in, out       *tube
	local, remote nodeAddr
}

var _ net.Conn = (*pipeEnd)(nil)

func (p *pipeEnd) Read(b []byte) (int, error)  { return p.in.read(b) }
func (p *pipeEnd) Write(b []byte) (int, error) { return p.out.write(b) }
func (p *pipeEnd) LocalAddr() net.Addr         { return p.local }
func (p *pipeEnd) RemoteAddr() net.Addr        { return p.remote }

func (p *pipeEnd) Close() error {
	p.in.change(func(t *tube) { t.unread, t.buf = true, nil })
	return p.CloseWrite()
}

func (p *pipeEnd) CloseWrite() error {
	p.out.change(func(t *tube) { t.ended = true })
	return nil
}

func (p *pipeEnd) SetDeadline(at time.Time) error {
	_ = p.SetReadDeadline(at) // neither fails
	return p.SetWriteDeadline(at)
}

func (p *pipeEnd) SetReadDeadline(at time.Time) error {
	p.in.change(func(t *tube) { t.readBy = at })
	return nil
}

func (p *pipeEnd) SetWriteDeadline(at time.Time) error {
	p.out.change(func(t *tube) { t.writeBy = at })
	return nil
}

// A tube carries bytes one way.
type tube struct {
	mu      sync.Mutex
	buf     []byte        // a ring; nil: nothing was written yet, or nobody will read
	at, n   int           // where its first byte is, and how many there are
	ended   bool          // nothing more is written
	unread  bool          // nothing more is read
	readBy  time.Time     // the reader's deadline; zero: none
	writeBy time.Time     // the writer's
	changed chan struct{} // closed with the next change; nil: nobody waits for it
}

func (t *tube) change(f func(*tube)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t)
	t.changedLocked()
}

func (t *tube) changedLocked() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// waitLocked waits for a change, or until a deadline.
func (t *tube) waitLocked(by time.Time) {
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	changed := t.changed
	t.mu.Unlock()
	defer t.mu.Lock()
	if by.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func over(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }

func (t *tube) read(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch {
		case t.unread:
			return 0, net.ErrClosed
		case over(t.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case t.n > 0:
			n := copy(b, t.buf[t.at:min(t.at+t.n, len(t.buf))])
			t.at, t.n = (t.at+n)%len(t.buf), t.n-n
			if n < len(b) && t.n > 0 { // what had gone round
				k := copy(b[n:], t.buf[t.at:t.at+t.n])
				t.at, t.n, n = t.at+k, t.n-k, n+k
			}
			t.changedLocked()
			return n, nil
		case t.ended:
			return 0, io.EOF
		}
		t.waitLocked(t.readBy)
	}
}

func (t *tube) write(b []byte) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch {
		case t.ended:
			return n, net.ErrClosed
		case over(t.writeBy):
			return n, os.ErrDeadlineExceeded
		case t.unread:
			return n, fmt.Errorf("actor: the other end of the stream is closed: %w", io.ErrClosedPipe)
		case n == len(b):
			return n, nil
		}
		if t.buf == nil {
			t.buf = make([]byte, pipeBytes)
		}
		if t.n == len(t.buf) {
			t.waitLocked(t.writeBy)
			continue
		}
		end := (t.at + t.n) % len(t.buf)
		k := copy(t.buf[end:min(end+len(t.buf)-t.n, len(t.buf))], b[n:])
		t.n, n = t.n+k, n+k
		t.changedLocked()
	}
}
