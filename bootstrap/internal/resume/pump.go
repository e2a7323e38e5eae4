package resume

// pump sends what there is to send on c until c is not in use any more, or fails.
func (s *Stream) pump(c *carrier) {
	var end bool
	for buf := c.greeting; ; buf = buf[:0] {
		s.mu.Lock()
		for s.current == c && len(buf) == 0 && !s.dueLocked(c) {
			s.changed.Wait()
		}
		if s.current != c {
			s.mu.Unlock()
			return
		}
		buf, end = s.fillLocked(c, buf)
		s.mu.Unlock()
		if _, err := c.out.Write(buf); err != nil {
			s.lose(c, err)
			return
		}
		if end {
			s.mu.Lock()
			c.told = true
			s.changed.Broadcast()
			s.mu.Unlock()
			return
		}
	}
}

// dueLocked says whether there is something to send.
func (s *Stream) dueLocked(c *carrier) bool {
	return c.next < s.sent.end() || s.ackDueLocked(c) || s.closed
}

func (s *Stream) ackDueLocked(c *carrier) bool {
	return s.received-c.acked >= uint64(s.cfg.Budget/4)
}

// fillLocked appends the next frame to b, a copy: what is sent may be acknowledged on another carrier, and its memory be used again,
// while a write is under way. It reports whether the frame is the last.
func (s *Stream) fillLocked(c *carrier, b []byte) (_ []byte, end bool) {
	h := header{kind: kindAck, ack: s.received}
	switch {
	case c.next < s.sent.end():
		h.kind, h.size = kindData, int(min(s.sent.end()-c.next, maxPayload))
	case s.closed:
		h.kind = kindEnd
	}
	b = h.appendTo(b)
	b = s.sent.appendTo(b, c.next, h.size)
	c.next += uint64(h.size)
	c.acked = h.ack
	return b, h.kind == kindEnd
}
