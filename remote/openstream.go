package remote

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/tartrl/tlaunch-go/actor"
)

// Streams of bytes: section 11 of WIRE.md.

var _ actor.Streamer = (*Endpoint)(nil)

// OpenStream opens a stream of bytes to a node of the process at an address, for its method of that name. It is a connection of its own, and lives
// no longer than the links with that process; where there is none yet, one is made first. Opening is bounded by ctx and Config.HandshakeTimeout. Errors
// are those of Connect, ErrTooManyStreams, and of package actor: ErrNoStreams where the peer knows of no streams, or an *Error where the node does not take
// this one.
func (e *Endpoint) OpenStream(ctx context.Context, address, node, method string) (net.Conn, error) {
	if len(node) > maxName || len(method) > maxName {
		return nil, fmt.Errorf("%w: the names of a node and its method have at most %d bytes", ErrTooLarge, maxName)
	}
	if e.isClosed() {
		return nil, ErrClosed
	}
	noStreams := fmt.Errorf("%w: %s", actor.ErrNoStreams, address)
	if address == e.cfg.Address {
		return nil, noStreams
	}
	p := e.peer(address)
	defer p.release()
	l, err := p.acquire(ctx)
	switch {
	case errors.Is(err, errAlias), err == nil && !l.streams:
		return nil, noStreams
	case err != nil:
		return nil, err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.HandshakeTimeout, errHandshake)
	defer cancel()
	t := &tie{system: l.system, incarnation: l.incarnation, end: end}
	if err := p.tie(t); err != nil {
		return nil, err
	}
	s, err := e.beginStream(ctx, l, t, streamHello{true, node, method})
	if err == nil {
		return s, nil
	}
	p.untie(t)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var told *actor.Error
	switch {
	case errors.As(err, &told), errors.Is(err, ErrTooManyStreams), errors.Is(err, ErrUnreachable):
		return nil, err
	case errors.Is(err, ErrRefused), errors.Is(err, ErrVersion):
		return nil, e.refused(address, err)
	}
	return nil, unreachable(address, err)
}

// beginStream makes a connection and shakes hands for a stream to the process at the other end of l.
func (e *Endpoint) beginStream(ctx context.Context, l *link, t *tie, what streamHello) (*byteStream, error) {
	conn, protocol, err := e.dial(ctx, l.p)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if protocol != protoOwn {
		err = errOtherLanguage
	} else {
		err = e.askForStream(conn, l, what)
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	s := newByteStream(l.p, t, conn)
	if err == nil && !l.p.retie(t, s.abort) {
		if err = context.Cause(ctx); err == nil { // it ended with the links, and has not been told
			err = errLeft
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	s.begin()
	return s, nil
}

// askForStream says hello, and hears who is there.
func (e *Endpoint) askForStream(conn *secured, l *link, what streamHello) error {
	mine := e.hello()
	mine.minVersion, mine.link.called, mine.stream = versionStreams, l.p.address, what // an older process would take it for the hello of a link
	h, err := e.greet(conn, mine)
	if alert := conn.alert.Load(); alert != nil {
		return fmt.Errorf("%w: by the peer, who does not accept our certificate: %w", ErrRefused, alert)
	}
	if err != nil {
		return err
	}
	if err := l.p.fits(conn.info, true, &h.incarnation); err != nil {
		return err
	}
	if h.system != l.system || h.incarnation != l.incarnation || !sameMember(conn.info.member, l.member) {
		return fmt.Errorf("%w: another process answers at its address", ErrGone)
	}
	return nil
}

// admitStream answers a caller who wants a stream, and has it served. stop ends the guard of the handshake, which closes the connection.
func (e *Endpoint) admitStream(ctx context.Context, conn *secured, h hello, from string, stop func() bool) {
	s, serve, err := e.acceptStream(ctx, conn, h)
	answer := []byte{byte(streamVerdictOf(err))}
	switch verdict(answer[0]) {
	case welcomed:
		answer = e.hello().append(answer)
	case byNode:
		answer = appendStreamRefusal(answer, err)
	default:
		answer = addText(answer, err.Error())
	}
	unsaid := writeHello(conn, answer)
	if !stop() && unsaid == nil {
		unsaid = context.Cause(ctx)
	}
	switch {
	case err == nil && unsaid == nil:
		serve(s)
	case err == nil:
		serve(nil)
		s.abort(unsaid)
	default:
		conn.Close()
		if v := verdict(answer[0]); v == byUnlinked {
			e.strikes.add(conn.network, hangUp) // its link may just have ended
		} else if v != byNode && v != byStreams {
			e.notAdmitted(conn, from, err)
		}
	}
}

// acceptStream finds who serves a stream, and takes the connection for it.
func (e *Endpoint) acceptStream(ctx context.Context, conn *secured, h hello) (*byteStream, func(net.Conn), error) {
	if e.isClosed() {
		return nil, nil, ErrClosed
	}
	if err := e.checkCaller(h); err != nil {
		return nil, nil, err
	}
	p := e.peer(h.address)
	defer p.release()
	if err := p.fits(conn.info, false, &h.incarnation); err != nil {
		return nil, nil, err
	}
	t := &tie{system: h.system, incarnation: h.incarnation, accepted: true}
	if err := p.awaitLink(ctx, t, conn.info.member); err != nil {
		return nil, nil, err
	}
	if e.streams.take(conn.network) != "" {
		return nil, nil, fmt.Errorf("%w: half of all connections are for links", ErrTooManyStreams)
	}
	left := conn.left
	conn.left = func() {
		e.streams.leave(conn.network)
		left()
	}
	taker := e.streamTaker()
	if taker == nil {
		return nil, nil, fmt.Errorf("%w: %s has no nodes", actor.ErrNoStreams, e.cfg.Address)
	}
	serve, err := taker.TakeStream(h.stream.node, h.stream.method)
	if err != nil {
		return nil, nil, err
	}
	s := newByteStream(p, t, conn)
	t.end = s.abort
	if err := p.tie(t); err != nil {
		serve(nil)
		return nil, nil, err
	}
	s.begin()
	return s, serve, nil
}

// streamTaker is the process of our system that takes streams, or nil.
func (e *Endpoint) streamTaker() actor.StreamTaker {
	process, _ := e.system.ProcessRegistry.GetLocal(actor.SystemID)
	t, _ := process.(actor.StreamTaker)
	return t
}

func streamVerdictOf(err error) verdict {
	var told *actor.Error
	switch {
	case errors.As(err, &told), errors.Is(err, actor.ErrNoStreams):
		return byNode
	case errors.Is(err, ErrTooManyStreams):
		return byStreams
	case errors.Is(err, errUnlinked), errors.Is(err, errLeft):
		return byUnlinked
	}
	return verdictOf(err)
}

// appendStreamRefusal writes why nobody serves a stream.
func appendStreamRefusal(b []byte, err error) []byte {
	var told *actor.Error
	if !errors.As(err, &told) {
		told = actor.Flatten("", "", err)
	}
	b = binary.AppendUvarint(b, uint64(uint32(told.Code)))
	for _, text := range []string{told.Node, told.Host, told.Method, told.Text} {
		b = addText(b, text[:min(len(text), refusalText)])
	}
	return b
}

// refusalText bounds each text of a refusal, so that all of it fits into a hello.
const refusalText = helloLimit / 8

// parseStreamRefusal reads what appendStreamRefusal has written. It is an *actor.Error, or says that it makes no sense.
func parseStreamRefusal(b []byte) error {
	c := cursor{b: b}
	code := c.uvarint()
	told := &actor.Error{Code: actor.Code(uint32(code))}
	for _, text := range []*string{&told.Node, &told.Host, &told.Method, &told.Text} {
		*text = c.text(refusalText)
	}
	if c.failed {
		return errFirstMessage
	}
	if told.Code <= 0 {
		told.Code = actor.CodeFailed
	}
	return told
}
