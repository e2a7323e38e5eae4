package resume

import (
	"errors"
	"fmt"
	"io"
)

// Read reads from the stream. It returns [io.EOF] when the peer has closed it and all was read. It waits for as long as there is no carrier.
func (s *Stream) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.readMu.Lock()
	defer s.readMu.Unlock()
	for {
		c, err := s.carrierToRead()
		if err != nil {
			return 0, err
		}
		n, err := s.readFrom(c, b)
		switch {
		case n > 0:
			return n, nil
		case errors.Is(err, ErrProtocol):
			s.Break(err) // on the next carrier it would say the same
		case err != nil:
			s.lose(c, err)
		}
	}
}

// carrierToRead waits for a carrier.
func (s *Stream) carrierToRead() (*carrier, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.overLocked(); err != nil {
			return nil, err
		}
		if s.ended {
			return nil, io.EOF
		}
		if s.current != nil {
			return s.current, nil
		}
		s.changed.Wait()
	}
}

// readFrom reads what is next on c. Neither bytes nor an error mean that there was nothing for the caller.
func (s *Stream) readFrom(c *carrier, b []byte) (int, error) {
	if c.left == 0 {
		return 0, s.readHeader(c)
	}
	n, err := c.in.Read(b[:min(len(b), c.left)])
	c.left -= n
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != c {
		return 0, nil // a younger carrier brings these bytes again
	}
	known := min(s.received-c.pos, uint64(n)) // an older carrier has brought them
	c.pos += uint64(n)
	if n -= int(known); n == 0 {
		return 0, err
	}
	copy(b, b[known:int(known)+n])
	s.received += uint64(n)
	if s.ackDueLocked(c) {
		s.changed.Broadcast()
	}
	return n, nil // an error comes again
}

// readHeader reads up to the payload of the next frame.
func (s *Stream) readHeader(c *carrier) error {
	var raw [headerSize]byte
	if _, err := io.ReadFull(c.in, raw[:]); err != nil {
		return err
	}
	h, err := parseHeader(raw[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current != c:
		return nil
	case err != nil:
		return err
	case h.ack > s.sent.end():
		return fmt.Errorf("%w: it acknowledges byte %d of %d", ErrProtocol, h.ack, s.sent.end())
	}
	if h.ack > s.sent.base {
		s.sent.drop(h.ack)
		c.next = max(c.next, h.ack)
		s.changed.Broadcast()
	}
	c.left = h.size
	if h.kind == kindEnd {
		s.ended = true
		s.changed.Broadcast()
	}
	return nil
}
