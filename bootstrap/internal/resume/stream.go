package resume

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// DefaultBudget is how many bytes wait to be acknowledged where the configuration does not say.
const DefaultBudget = 1 << 20

// ErrBroken is returned by Read and Write after [Stream.Break], with the cause.
var ErrBroken = errors.New("resume: stream broken")

// Config says how a stream behaves.
type Config struct {
	// Budget is how many written bytes wait at most to be acknowledged. Zero is [DefaultBudget]; less than 1 KiB counts as that.
	// Both ends must have the same.
	Budget int

	// Lost is called, with the reason, each time when the carrier in use has failed: from whichever goroutine has noticed, which must
	// not be held up. It is not called for carriers that a younger one has replaced here, nor when the stream is over; the peer may have replaced
	// it already. Nil is nobody.
	Lost func(cause error)
}

// Stream is one end of a stream of bytes each way. Read is for one goroutine at a time, and others wait; so it is with Write, whose
// callers' bytes are not mixed only if each writes all of its own in one call.
type Stream struct {
	cfg     Config
	workers sync.WaitGroup // pumps, and carriers that are being closed
	readMu  sync.Mutex     // one reader
	writeMu sync.Mutex     // one writer

	mu       sync.Mutex
	changed  sync.Cond // anything below
	current  *carrier  // nil: lost, or the stream is over
	token    Token     // zero: no further carriers are taken
	epoch    uint64    // of the youngest carrier that was taken
	tried    uint64    // of the youngest that was offered to the peer
	sent     ring      // from the offset that the peer has acknowledged to that of the next Write
	received uint64    // offset up to which Read has read
	ended    bool      // the peer has closed the stream
	closed   bool      // this end has
	cause    error     // why it was broken; nil: it was not
}

// carrier is a connection while it carries a stream.
type carrier struct {
	io.Closer
	out      io.Writer
	in       *bufio.Reader // owned by Read
	left     int           // of the frame that in stands in; owned by Read
	greeting []byte        // to be sent first; owned by the pump

	// guarded by Stream.mu
	next  uint64 // offset of the next byte to be sent
	pos   uint64 // offset of the next byte to be read
	acked uint64 // what was last acknowledged on it
	told  bool   // the end of the stream was sent
}

// New returns an end of a new stream, carried by first. The peer does the same with its end of it.
func New(first io.ReadWriteCloser, cfg Config) *Stream {
	if cfg.Budget == 0 {
		cfg.Budget = DefaultBudget
	}
	cfg.Budget = max(cfg.Budget, 1<<10)
	if cfg.Lost == nil {
		cfg.Lost = func(error) {}
	}
	s := &Stream{cfg: cfg}
	s.changed.L = &s.mu
	s.mu.Lock()
	defer s.mu.Unlock()
	s.useLocked(newCarrier(first))
	return s
}

// Allow lets further carriers be taken, by the secret that both ends share. Until then there is but the first, whose loss breaks the stream.
func (s *Stream) Allow(token Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

func newCarrier(c io.ReadWriteCloser) *carrier {
	return &carrier{Closer: c, out: c, in: bufio.NewReaderSize(c, 16<<10)}
}

// useLocked makes c the carrier in use. An older one is closed.
func (s *Stream) useLocked(c *carrier) {
	s.dropLocked()
	s.current = c
	s.workers.Go(func() { s.pump(c) })
	s.changed.Broadcast()
}

// dropLocked gives up the carrier in use. Closing it may take its time, and frees whoever reads and writes it.
func (s *Stream) dropLocked() {
	if old := s.current; old != nil {
		s.current = nil
		s.workers.Go(func() { _ = old.Close() }) // it is of no use any more, whatever its end
		s.changed.Broadcast()
	}
}

// lose gives up c, which has failed, unless it was given up before.
func (s *Stream) lose(c *carrier, cause error) {
	s.mu.Lock()
	lost := s.current == c
	if lost {
		s.dropLocked()
	}
	over := s.overLocked() != nil || s.ended
	if lost && !over && s.token == (Token{}) {
		s.cause = cause // nothing can come after it
	}
	s.mu.Unlock()
	if lost && !over {
		s.cfg.Lost(cause)
	}
}

// overLocked says why this end cannot be used any more.
func (s *Stream) overLocked() error {
	switch {
	case s.cause != nil:
		return fmt.Errorf("%w: %w", ErrBroken, s.cause)
	case s.closed:
		return net.ErrClosed
	}
	return nil
}

// Carried says whether there is a carrier in use, as far as this end knows.
func (s *Stream) Carried() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil
}

// Write writes b to the stream. It waits while the budget is used up, however long the stream has no carrier.
func (s *Stream) Write(b []byte) (int, error) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 0; ; {
		for s.sent.size >= s.cfg.Budget && s.overLocked() == nil && !s.ended {
			s.changed.Wait()
		}
		if err := s.overLocked(); err != nil {
			return n, err
		}
		if s.ended {
			return n, io.ErrClosedPipe // the peer reads no more
		}
		room := min(len(b)-n, s.cfg.Budget-s.sent.size)
		s.sent.append(b[n : n+room])
		s.changed.Broadcast()
		if n += room; n == len(b) {
			return n, nil
		}
	}
}

// Close ends the stream. It returns when the carrier in use has taken all that was written and the news of the end, or is lost, in which case the
// peer is left to find out. It may be called again.
func (s *Stream) Close() error {
	s.mu.Lock()
	if s.overLocked() != nil {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.changed.Broadcast()
	for s.current != nil && !s.current.told && !s.ended && s.cause == nil {
		s.changed.Wait()
	}
	last := s.current
	s.current = nil
	s.changed.Broadcast()
	s.mu.Unlock()
	if last == nil {
		return nil
	}
	return last.Close()
}

// Break ends the stream at once: what was not sent is lost, and the peer is not told. Read and Write return cause. It may be called at any time,
// during Close as well.
func (s *Stream) Break(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		s.cause = cause
	}
	s.dropLocked()
	s.changed.Broadcast()
}

// Wait returns when nothing of the stream is left, which must be over: no goroutine, and no carrier that is being closed.
func (s *Stream) Wait() { s.workers.Wait() }
