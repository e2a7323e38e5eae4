package remote

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tartrl/tlaunch-go/actor"
)

// Links with endpoints of this package: sections 2 to 6 of WIRE.md.

// connectOwn says hello on a connection that we made and takes the link into use. Its error is as connect's, or errOtherLanguage.
func (e *Endpoint) connectOwn(ctx context.Context, p *peer, conn *secured) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	h, err := e.greet(conn)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = p.fits(conn.info, true, &h.incarnation)
	}
	if err == nil {
		l := e.newOwnLink(conn, p, h)
		if err = p.up(l); err == nil {
			return e.keepRunning(l, func() { conn.Close() })
		}
	}
	conn.Close()
	return e.notUp(p, conn, err)
}

// greet says hello and hears the answer.
func (e *Endpoint) greet(conn *secured) (hello, error) {
	unsaid := writeHello(conn, e.hello().append(nil))
	answer, err := readHello(conn) // whoever hangs up on us may have said why
	if err = errors.Join(err, unsaid); err != nil {
		return hello{}, e.otherLanguage(err)
	}
	if len(answer) == 0 {
		return hello{}, errFirstMessage
	}
	why := func(sentinel error) (hello, error) {
		c := cursor{b: answer[1:]}
		return hello{}, fmt.Errorf("%w: says the peer: %s", sentinel, c.text(helloLimit))
	}
	switch verdict(answer[0]) {
	case welcomed:
		return parseHello(answer[1:])
	case byAlias:
		return hello{}, errAlias
	case byIdentity:
		return why(ErrRefused)
	case byVersion:
		return why(ErrVersion)
	case byClosing:
		return why(errLeft)
	case byLimit:
		return why(errCrowded)
	}
	return why(errFirstMessage)
}

// otherLanguage is what a failure to shake hands means where nothing was agreed on: a stock peer hangs up on our hello.
func (e *Endpoint) otherLanguage(err error) error {
	if e.security.current == nil {
		return fmt.Errorf("%w: %w", errOtherLanguage, err)
	}
	return err
}

// admitOwn answers the hello of a caller and takes the link into use.
func (e *Endpoint) admitOwn(ctx context.Context, conn *secured, from string) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l, err := e.hear(conn)
	if !stop() && l == nil {
		err = context.Cause(ctx)
	}
	if l != nil {
		_ = e.keepRunning(l, func() { conn.Close() }) // fails only where the endpoint is closing
		l.p.release()
		return
	}
	conn.Close()
	if !errors.Is(err, errAlias) && !errors.Is(err, ErrClosed) && e.dialing.Err() == nil {
		e.turnedAway(from, err)
	}
}

// hear reads a caller's hello and answers it. The link it returns is up, and holds its peer, which the caller releases.
func (e *Endpoint) hear(conn *secured) (*link, error) {
	block, err := readHello(conn)
	if err != nil {
		return nil, err
	}
	h, err := parseHello(block)
	var l *link
	if err == nil {
		l, err = e.receiveLink(conn, h)
	}
	answer := []byte{byte(welcomed)}
	if err == nil {
		answer = e.hello().append(answer)
	} else {
		answer = addText([]byte{byte(verdictOf(err))}, err.Error())
	}
	// The link is up before the caller knows, who may then rely on it at both ends; its writer begins after this.
	unsaid := writeHello(conn, answer)
	if l != nil && unsaid != nil {
		l.finish(unsaid)
		l.p.ended(l, unsaid, l.lost)
		l.p.release()
		return nil, unsaid
	}
	return l, err
}

// receiveLink makes a link for a caller who is who the hello says, and takes it into use.
func (e *Endpoint) receiveLink(conn *secured, h hello) (*link, error) {
	switch {
	case h.system == e.system.ID: // we have dialled ourselves by another name
		return nil, errAlias
	case !printable(h.address) || h.address == e.cfg.Address:
		return nil, fmt.Errorf("%w: the peer calls itself %q", ErrRefused, h.address)
	}
	p := e.peer(h.address)
	err := p.fits(conn.info, false, &h.incarnation)
	if err == nil {
		l := e.newOwnLink(conn, p, h)
		if err = p.up(l); err == nil {
			return l, nil
		}
	}
	p.release()
	return nil, err
}

func verdictOf(err error) verdict {
	switch {
	case errors.Is(err, ErrRefused):
		return byIdentity
	case errors.Is(err, ErrVersion):
		return byVersion
	case errors.Is(err, errAlias):
		return byAlias
	case errors.Is(err, ErrClosed):
		return byClosing
	}
	return byHandshake
}

func (e *Endpoint) newOwnLink(conn *secured, p *peer, h hello) *link {
	return &link{
		e: e, p: p, pulse: conn.info.pulse, member: conn.info.member, own: true, sends: true, conn: conn, incarnation: h.incarnation,
		parcels: h.parcels,
		out:     newOutbox(e.cfg.QueueBytes, e.cfg.UrgentBytes, min(e.cfg.MaxMessage, h.most)), over: make(chan struct{}),
	}
}

// readFrames hands what arrives to its processes until the link is over.
func (l *link) readFrames() {
	s := &inletSink{l: l}
	if r := l.e.recipient(); r != nil {
		s.inlet = r.Inlet(l.p.address)
	}
	err := newReader(heardFrom{l}, s, l.e.cfg.MaxMessage).run()
	switch {
	case errors.Is(err, errLeaves), l.left.Load() && errors.Is(err, io.EOF):
		err = nil
	case errors.Is(err, errFrame):
		l.e.dropped(l.p, BadFrame, 1)
	case errors.Is(err, ErrTooLarge):
		l.e.dropped(l.p, TooLarge, 1)
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the connection has ended without a goodbye: %w", io.ErrUnexpectedEOF)
	}
	l.finish(err)
}

// heardFrom is the connection of a link, as its reader sees it.
type heardFrom struct{ l *link }

func (h heardFrom) Read(b []byte) (int, error) {
	l := h.l
	l.waits.Store(int64(l.pulse.now()))
	n, err := l.conn.Read(b)
	l.waits.Store(delivering)
	l.p.receivedBytes.Add(uint64(n))
	return n, err
}

// writeFrames writes what is queued until the outbox ends.
func (l *link) writeFrames() {
	var w writer
	for {
		messages, alive := l.out.take(&w)
		if !alive {
			l.leave()
			return
		}
		size, err := w.writeTo(l.conn.Conn)
		if err != nil {
			l.finish(err)
			return
		}
		l.p.sentMessages.Add(uint64(messages))
		l.p.sentBytes.Add(uint64(size))
	}
}

// leave is said after the last message. The link is over when the peer, who then has everything, hangs up.
func (l *link) leave() {
	select {
	case <-l.over:
		return
	default:
	}
	l.left.Store(true)
	b := addHead(nil)
	setHead(b, 0, frameLeave, 0)
	if _, err := l.conn.Conn.Write(b); err != nil {
		l.finish(err)
	}
}

// What waits to be written, whatever the peer speaks.

func (l *link) put(ctx context.Context, it *item) error {
	if l.own {
		return l.out.put(ctx, it)
	}
	return l.q.put(ctx, *it)
}

func (l *link) putNow(lane int, it *item) error {
	if it.parcel && !l.parcels {
		return actor.ErrNoParcels
	}
	if l.own {
		return l.out.putNow(lane, it)
	}
	return l.q.putNow(lane, *it)
}

// countStalls says where those are counted who wait for room. It is called before anybody puts.
func (l *link) countStalls(s *stalls) {
	if l.own {
		l.out.stalls = s
	} else {
		l.q.stalls = s
	}
}

func (l *link) drain() {
	if l.own {
		l.out.drain()
	} else {
		l.q.drain()
	}
}

func (l *link) endQueue(err error) (lost int) {
	if l.own {
		return l.out.end(err)
	}
	return l.q.end(err)
}

func (l *link) depth() (messages, bytes int) {
	if l.own {
		return l.out.depth()
	}
	return l.q.depth()
}
