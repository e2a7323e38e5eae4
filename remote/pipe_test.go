package remote

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// bufferedPipe returns two ends of a connection in memory that holds 256 KiB each way and copies bytes, as a socket does.
func bufferedPipe() (net.Conn, net.Conn) {
	ab, ba := newHalf(), newHalf()
	return &pipeEnd{r: ba, w: ab}, &pipeEnd{r: ab, w: ba}
}

type half struct {
	mu       sync.Mutex
	change   sync.Cond
	buf      []byte
	closed   bool
	deadline [2]time.Time // of the reader, of the writer
}

func newHalf() *half {
	h := &half{}
	h.change.L = &h.mu
	return h
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) == 0 {
		switch {
		case h.closed:
			return 0, io.EOF
		case h.expired(0):
			return 0, os.ErrDeadlineExceeded
		}
		h.change.Wait()
	}
	n := copy(b, h.buf)
	h.buf = h.buf[n:]
	h.change.Broadcast()
	return n, nil
}

func (h *half) write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	written := 0
	for written < len(b) {
		switch {
		case h.closed:
			return written, io.ErrClosedPipe
		case h.expired(1):
			return written, os.ErrDeadlineExceeded
		}
		if room := 256<<10 - len(h.buf); room > 0 {
			n := min(room, len(b)-written)
			h.buf = append(h.buf, b[written:written+n]...)
			written += n
			h.change.Broadcast()
			continue
		}
		h.change.Wait()
	}
	return written, nil
}

func (h *half) expired(i int) bool {
	return !h.deadline[i].IsZero() && !time.Now().Before(h.deadline[i])
}

func (h *half) setDeadline(i int, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline[i] = t
	h.change.Broadcast()
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.change.Broadcast()
		})
	}
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.change.Broadcast()
}

type pipeEnd struct{ r, w *half }

func (p *pipeEnd) Read(b []byte) (int, error)  { return p.r.read(b) }
func (p *pipeEnd) Write(b []byte) (int, error) { return p.w.write(b) }
func (p *pipeEnd) Close() error {
	p.r.close()
	p.w.close()
	return nil
}
func (p *pipeEnd) LocalAddr() net.Addr  { return memAddr("pipe") }
func (p *pipeEnd) RemoteAddr() net.Addr { return memAddr("pipe") }
func (p *pipeEnd) SetDeadline(t time.Time) error {
	p.r.setDeadline(0, t)
	p.w.setDeadline(1, t)
	return nil
}
func (p *pipeEnd) SetReadDeadline(t time.Time) error  { p.r.setDeadline(0, t); return nil }
func (p *pipeEnd) SetWriteDeadline(t time.Time) error { p.w.setDeadline(1, t); return nil }
