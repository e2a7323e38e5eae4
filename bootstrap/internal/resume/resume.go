package resume

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// ErrRefused means that a carrier was not taken: it has not shown the stream's token, or a younger one is in use.
var ErrRefused = errors.New("resume: carrier refused")

// Resume carries the stream on over c, a new connection to the peer, which takes it with [Stream.Accept]; the carrier in use until then is
// closed. It may be called while an older carrier is still in use, and by several goroutines at once, each with a carrier of its own: the
// youngest that both ends have taken stays, which is the one with the largest of the numbers that are returned. Closing c is how to give up
// waiting. After an error c is closed.
func (s *Stream) Resume(c io.ReadWriteCloser) (number uint64, err error) {
	number, err = s.resume(newCarrier(c))
	if err != nil {
		_ = c.Close() // err says what is wrong with it
	}
	return number, err
}

func (s *Stream) resume(c *carrier) (uint64, error) {
	s.mu.Lock()
	if err := s.refuseLocked(); err != nil {
		s.mu.Unlock()
		return 0, err
	}
	s.tried++
	mine := hello{token: s.token, epoch: s.tried, received: s.received}
	s.mu.Unlock()

	if _, err := c.out.Write(mine.appendTo(nil)); err != nil {
		return 0, fmt.Errorf("resume: say hello: %w", err)
	}
	var raw [welcomeSize]byte
	if _, err := io.ReadFull(c.in, raw[:]); err != nil {
		return 0, fmt.Errorf("%w: no welcome came: %w", ErrRefused, err)
	}
	theirs, err := parseWelcome(raw[:])
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refuseLocked(); err != nil {
		return 0, err
	}
	if mine.epoch <= s.epoch {
		return 0, fmt.Errorf("%w: a younger one is in use", ErrRefused)
	}
	if theirs.received < s.sent.base || theirs.received > s.sent.end() || theirs.start < mine.received || theirs.start > s.received {
		return 0, fmt.Errorf("%w: it begins where this end is not", ErrProtocol)
	}
	s.epoch = mine.epoch
	s.sent.drop(theirs.received)
	c.next, c.pos = theirs.received, theirs.start
	s.useLocked(c)
	return s.epoch, nil
}

// refuseLocked says why no carrier can be taken.
func (s *Stream) refuseLocked() error {
	switch err := s.overLocked(); {
	case err != nil:
		return err
	case s.ended:
		return io.EOF
	case s.token == Token{}:
		return fmt.Errorf("%w: the stream has no token", ErrRefused)
	}
	return nil
}

// Accept carries the stream on over c, with which the peer has called [Stream.Resume]. Closing c is how to give up waiting for what the
// peer says. After an error c is closed.
func (s *Stream) Accept(c io.ReadWriteCloser) error {
	n := newCarrier(c)
	err := s.accept(n)
	if err != nil {
		_ = c.Close() // which is how the peer is told
	}
	return err
}

func (s *Stream) accept(c *carrier) error {
	var raw [helloSize]byte
	if _, err := io.ReadFull(c.in, raw[:]); err != nil {
		return fmt.Errorf("resume: no hello came: %w", err)
	}
	theirs, err := parseHello(raw[:])
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refuseLocked(); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(theirs.token[:], s.token[:]) != 1 {
		return fmt.Errorf("%w: its token is not the stream's", ErrRefused)
	}
	if theirs.epoch <= s.epoch {
		return fmt.Errorf("%w: a younger one is in use", ErrRefused)
	}
	if theirs.received > s.sent.end() {
		return fmt.Errorf("%w: it has read byte %d of %d", ErrProtocol, theirs.received, s.sent.end())
	}
	s.epoch = theirs.epoch
	if theirs.received > s.sent.base { // less, where an older carrier has brought acknowledgements since
		s.sent.drop(theirs.received)
	}
	c.next, c.pos = s.sent.base, s.received
	c.greeting = welcome{received: s.received, start: s.sent.base}.appendTo(nil)
	s.useLocked(c) // from here on no byte of an older carrier is read, so that what the greeting says holds
	return nil
}
