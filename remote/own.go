package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// Links with endpoints of this package: sections 2 to 6 of WIRE.md.

// connectOwn says hello on a connection that we made and takes the link into use. Its error is as connect's, errOtherLanguage or errHelloCut.
func (e *Endpoint) connectOwn(ctx context.Context, p *peer, conn *secured) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	mine := e.hello()
	mine.link = p.draw()
	h, err := e.greet(conn, mine)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = p.fits(conn.info, true, &h.incarnation)
	}
	if err == nil {
		p.drawn()
		l := e.newOwnLink(conn, p, h, mine.link)
		l.caller = true
		if err = p.up(l); err == nil {
			return e.keepRunning(l, func() {})
		}
	}
	conn.Close()
	return e.notUp(p, conn, err)
}

// draw gives a link that is to be begun its name. One that may have been begun already, though we did not hear so, keeps it: then the
// peer has but one link, and nothing that it has sent on it is lost.
func (p *peer) draw() linkHello {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draft.id == 0 {
		p.draft = linkHello{id: randomStart() | 1, called: p.address}
	}
	p.draft.try++
	return p.draft
}

// drawn says that the peer has begun the link too.
func (p *peer) drawn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draft = linkHello{}
}

// greet says hello and hears the answer, which says who is there also where its error is errForgotten.
func (e *Endpoint) greet(conn *secured, mine hello) (hello, error) {
	unsaid := writeHello(conn, mine.append(nil))
	answer, err := readHello(conn) // whoever hangs up on us may have said why
	switch {
	case errors.Is(err, errHelloCut), errors.Is(err, errFirstMessage): // it is our language, as far as it came
		return hello{}, err
	case err != nil:
		return hello{}, e.otherLanguage(errors.Join(err, unsaid))
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
	case byUnknown:
		h, err := parseHello(answer[1:])
		if err == nil {
			err = errForgotten
		}
		return h, err
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
	case byUnlinked:
		return why(errUnlinked)
	case byNode:
		return hello{}, parseStreamRefusal(answer[1:])
	case byStreams:
		return why(ErrTooManyStreams)
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

// admitOwn answers the hello of a caller and takes the link into use, or has one go on that has lost its connection.
func (e *Endpoint) admitOwn(ctx context.Context, conn *secured, from string) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	var l *link
	var again bool
	block, err := readHello(conn)
	if err == nil {
		h, wrong := parseHello(block)
		if wrong == nil && h.stream.asked {
			e.admitStream(ctx, conn, h, from, stop)
			return
		}
		l, again, err = e.answer(ctx, conn, h, wrong)
	}
	if !stop() && err != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		if !again {
			_ = e.keepRunning(l, func() {}) // fails only where links were broken, this one too
		}
		l.p.release()
		return
	}
	conn.Close()
	e.notAdmitted(conn, from, err)
}

// notAdmitted counts a caller that was turned away, unless nobody is to blame.
func (e *Endpoint) notAdmitted(conn *secured, from string, err error) {
	switch {
	case errors.Is(err, errAlias), errors.Is(err, ErrClosed), errors.Is(err, errForgotten), e.dialing.Err() != nil:
		return
	}
	e.strikes.add(conn.network, weightOf(err))
	e.turnedAway(from, err)
}

// answer answers the hello of a caller who wants a link, or what is wrong with it. The link that it returns without an error is up, and holds its
// peer, which the caller releases. again says that the link was there before.
func (e *Endpoint) answer(ctx context.Context, conn *secured, h hello, wrong error) (l *link, again bool, err error) {
	if err = wrong; err == nil {
		l, again, err = e.receiveLink(conn, h)
	}
	if again {
		if err = l.goOn(ctx, conn, h); err != nil {
			l.p.release()
		}
		return l, true, err
	}
	answer := []byte{byte(verdictOf(err))}
	if err == nil || errors.Is(err, errForgotten) {
		mine := e.hello()
		mine.link = linkHello{id: h.link.id, try: h.link.try}
		answer = mine.append(answer)
	} else {
		answer = addText(answer, err.Error())
	}
	// The link is up before the caller knows, who may then rely on it at both ends; its writer begins after this. A caller who does not
	// hear the answer comes again, with the same link.
	if unsaid := writeHello(conn, answer); l != nil && unsaid != nil {
		l.loseConnection(conn, unsaid) // the caller may have come again meanwhile
	}
	return l, false, err
}

// receiveLink makes a link for a caller who is who the hello says, and takes it into use. One that is there already it returns, with again.
func (e *Endpoint) receiveLink(conn *secured, h hello) (l *link, again bool, err error) {
	if err = e.checkCaller(h); err != nil {
		return nil, false, err
	}
	p := e.peer(h.address)
	if err = p.fits(conn.info, false, &h.incarnation); err == nil {
		if l = p.linkOf(h, conn.info.member); l != nil {
			return l, true, nil
		}
		if h.link.begun {
			err = errForgotten
		} else {
			l = e.newOwnLink(conn, p, h, h.link)
			if err = p.up(l); err == nil {
				return l, false, nil
			}
		}
	}
	p.release()
	return nil, false, err
}

// checkCaller refuses a caller that is this process itself, or has no name.
func (e *Endpoint) checkCaller(h hello) error {
	switch {
	case h.system == e.system.ID: // we have dialled ourselves by another name
		return errAlias
	case !printable(h.address) || h.address == e.cfg.Address:
		return fmt.Errorf("%w: the peer calls itself %q", ErrRefused, h.address)
	}
	return nil
}

// linkOf is the link that a caller wants to go on with, or nil. A link stays with the member with which it has begun: whoever has learnt its
// id may have the address by now, but not what was meant for another.
func (p *peer) linkOf(h hello, member *Identity) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		if l.own && !l.caller && l.id == h.link.id && l.system == h.system && l.incarnation == h.incarnation && sameMember(l.member, member) &&
			l.ctx.Err() == nil {
			return l
		}
	}
	return nil
}

func sameMember(a, b *Identity) bool { return a == b || a != nil && b != nil && *a == *b }

func verdictOf(err error) verdict {
	switch {
	case err == nil:
		return welcomed
	case errors.Is(err, errForgotten):
		return byUnknown
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

func (e *Endpoint) newOwnLink(conn *secured, p *peer, h hello, name linkHello) *link {
	l := &link{
		e: e, p: p, made: time.Now(), member: conn.info.member, own: true, sends: true, incarnation: h.incarnation, system: h.system,
		id: name.id, called: name.called, quota: h.quota, parcels: h.parcels, traces: h.maxVersion >= versionTraced, streams: h.maxVersion >= versionStreams,
		out:  newOutbox(e.cfg.QueueBytes, e.cfg.UrgentBytes, min(e.cfg.MaxMessage, h.most)),
		over: make(chan struct{}), told: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(e.ctx)
	first := newCarrier(conn, 0)
	l.carriage = carriage{changed: make(chan struct{}), now: first, tries: name.try, since: l.made}
	s := &inletSink{l: l}
	if r := e.recipient(); r != nil {
		s.inlet = r.Inlet(p.address)
	}
	l.in = newReader(nil, s, e.cfg.MaxMessage)
	return l
}

// readFrames hands what arrives to its processes until the link is over.
func (l *link) readFrames() {
	l.late = time.AfterFunc(time.Hour, l.acknowledgeLate)
	defer l.late.Stop()
	for c := l.next(&l.reading); c != nil; c = l.next(&l.reading) {
		l.in.resume(heardFrom{l, c})
		err := l.in.run()
		l.in.rest()
		l.out.received.Store(l.in.count)
		switch {
		case errors.Is(err, errFrame):
			l.offends(c, BadFrame)
			l.finish(err)
		case errors.Is(err, ErrTooLarge):
			l.offends(c, TooLarge)
			l.finish(err)
		case errors.Is(err, errForgotten) && l.settled():
			l.finish(nil)
		case errors.Is(err, errForgotten):
			l.finish(err)
		case errors.Is(err, io.EOF):
			err = fmt.Errorf("the connection has ended without a goodbye: %w", err)
		}
		l.halt(&l.reading, err)
	}
}

// offends counts what ends the link: it is held against the address from which the peer has come.
func (l *link) offends(c *carrier, reason Reason) {
	l.e.dropped(l.p, reason, 1)
	if c.network != "" {
		l.e.strikes.add(c.network, offence)
	}
}

// writeFrames writes what is queued until the link is over.
func (l *link) writeFrames() {
	var w writer
	for c := l.next(&l.writing); c != nil; c = l.next(&l.writing) {
		l.halt(&l.writing, l.writeTo(c, &w))
	}
}

func (l *link) writeTo(c *carrier, w *writer) error {
	for {
		switch l.out.take(w) {
		case halted:
			return nil
		case nothing:
			if l.err != nil { // set before
				_, _ = c.Conn.Write(voidFrame) // for nothing where the connection is what failed
			}
			return nil
		}
		began := time.Now()
		size, err := w.writeTo(c.Conn)
		if err != nil {
			return err
		}
		w.stride.took(time.Since(began))
		l.p.sentMessages.Add(uint64(w.fresh))
		l.p.resentMessages.Add(uint64(w.resent))
		l.p.sentBytes.Add(uint64(size))
	}
}

// leaving reports whether one of the two sides has said that it will write no more messages, or is about to.
func (l *link) leaving() bool { return l.peerLeft.Load() || l.out.isClosing() }

// settled reports whether both sides leave, and the peer has all messages.
func (l *link) settled() bool {
	return l.leaving() && l.out.delivered()
}

// peerLeaves is called by the reader when the peer has said its last message. This side says what it has, and its own leave.
func (l *link) peerLeaves() {
	l.peerLeft.Store(true)
	l.p.leaves(l)
	l.out.received.Store(l.in.count)
	l.out.part(!l.caller)
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
		l.fit(it)
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
	if !l.own {
		l.q.drain(ErrClosed)
		return
	}
	l.out.drain(ErrClosed)
	if l.out.delivered() && l.current() == nil {
		l.finish(nil) // nobody would hear
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
