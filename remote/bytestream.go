package remote

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A byteStream is one end of a stream of bytes, on a connection of its own.
type byteStream struct {
	p    *peer
	tie  *tie
	conn *secured
	raw  net.Conn  // below TLS, if that is there
	held *gatherer // below TLS; nil: there is none

	use atomic.Int32          // closedStream, and openWrite for each write under way
	why atomic.Pointer[error] // it was ended by this side of itself; nil: it was not

	writing sync.Mutex // under TLS, whose records are gathered for one write at a time
	broken  error      // of the write after which it is not known what the peer has; guarded by writing
}

const (
	closedStream = 1
	openWrite    = 2
)

// farewell is how long Close may take to tell the peer, under TLS: whether it hears that, or only that the connection has ended, is the same to it, and who
// closes may hold a lock.
const farewell = 20 * time.Millisecond

var _ net.Conn = (*byteStream)(nil)

func newByteStream(p *peer, t *tie, conn *secured) *byteStream {
	s := &byteStream{p: p, tie: t, conn: conn, raw: conn.Conn}
	if secure, ok := conn.Conn.(*tls.Conn); ok {
		s.raw = secure.NetConn()
		if g, ok := s.raw.(*gatherer); ok {
			s.raw, s.held = g.Conn, g
		}
	}
	return s
}

// begin is called when both ends know of the stream.
func (s *byteStream) begin() {
	freeUnsent(s.raw)
	s.p.openedStreams.Add(1)
}

func (s *byteStream) LocalAddr() net.Addr  { return s.raw.LocalAddr() }
func (s *byteStream) RemoteAddr() net.Addr { return s.raw.RemoteAddr() }

func (s *byteStream) SetDeadline(t time.Time) error { return s.explain(s.raw.SetDeadline(t)) }

func (s *byteStream) SetReadDeadline(t time.Time) error { return s.explain(s.raw.SetReadDeadline(t)) }

func (s *byteStream) SetWriteDeadline(t time.Time) error {
	return s.explain(s.raw.SetWriteDeadline(t))
}

// Read reads past secured, which notes what only handshakes and links need.
func (s *byteStream) Read(b []byte) (int, error) {
	n, err := s.conn.Conn.Read(b)
	if n > 0 {
		s.p.receivedBytes.Add(uint64(n))
	}
	if err != nil && err != io.EOF {
		err = s.explain(err)
	}
	return n, err
}

// explain is why the stream was ended where that is so, and otherwise err.
func (s *byteStream) explain(err error) error {
	if why := s.why.Load(); err != nil && why != nil {
		return *why
	}
	return err
}

func (s *byteStream) Write(b []byte) (n int, err error) {
	err = s.write(func() error {
		if s.held == nil || len(b) <= recordBytes {
			n, err = s.conn.Conn.Write(b)
			return err
		}
		s.held.hold()
		n, err = s.conn.Conn.Write(b)
		if unsent := s.held.release(); err == nil {
			err = unsent
		}
		return err
	})
	s.p.sentBytes.Add(uint64(n))
	return n, err
}

// WriteBuffers writes parts as one: see actor.WriteBuffers.
func (s *byteStream) WriteBuffers(parts net.Buffers) (n int64, err error) {
	err = s.write(func() error {
		n, err = writeAll(s.conn.Conn, parts)
		return err
	})
	s.p.sentBytes.Add(uint64(n))
	return n, err
}

// write calls f, which writes, unless the stream is closed.
func (s *byteStream) write(f func() error) error {
	if s.use.Add(openWrite)&closedStream != 0 {
		s.use.Add(-openWrite)
		return s.explain(fmt.Errorf("remote: write to a stream: %w", net.ErrClosed))
	}
	defer s.use.Add(-openWrite)
	if s.held == nil {
		return s.explain(f())
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken == nil {
		s.broken = f()
	}
	return s.explain(s.broken)
}

// CloseWrite says that nothing more is written. The peer hears that behind all that was.
func (s *byteStream) CloseWrite() error {
	c, ok := s.conn.Conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("remote: the connection of this stream cannot be closed on one side: %w", errors.ErrUnsupported)
	}
	return s.write(func() error {
		if s.held != nil { // TLS gives its word five seconds, and a peer that is slow to read shall have it too
			s.held.patient.Store(true)
			defer s.held.patient.Store(false)
		}
		return c.CloseWrite()
	})
}

// Close closes the stream, and unblocks whoever reads or writes. Who closes it again does nothing.
func (s *byteStream) Close() error {
	use, first := s.shut()
	if !first {
		return nil
	}
	s.p.untie(s.tie)
	if use >= openWrite {
		_ = s.raw.Close() // TLS would have its last word behind what a peer does not read
	}
	timer := time.AfterFunc(farewell, func() { _ = s.raw.Close() })
	defer timer.Stop()
	_ = s.conn.Close() // whatever it says, the connection has ended
	return nil
}

// abort ends the stream without a word, and does not block.
func (s *byteStream) abort(why error) {
	if _, first := s.shut(); !first {
		return
	}
	s.why.Store(&why)
	s.p.untie(s.tie)
	_ = s.raw.Close()
	_ = s.conn.Close() // gives back its places
}

// shut lets nobody write any more. It reports what it finds, and whether it is the first.
func (s *byteStream) shut() (use int32, first bool) {
	use = s.use.Or(closedStream)
	return use, use&closedStream == 0
}
