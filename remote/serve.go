package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const acceptPause = 50 * time.Millisecond

// Serve accepts peers from l, over TLS unless the endpoint is a plaintext one, until l fails or the endpoint is closed;
// then it closes l. It may be called for any number of listeners. It returns nil when Close ended it, and ErrClosed when
// it was called after Close.
func (e *Endpoint) Serve(l net.Listener) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		_ = l.Close()
		return ErrClosed
	}
	e.listeners[l] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.listeners, l)
		e.mu.Unlock()
		_ = l.Close()
	}()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			e.take(conn)
		case e.dialing.Err() != nil || e.isClosed():
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			e.log.Warn("cannot accept a connection, trying again", "error", err)
			select {
			case <-time.After(acceptPause):
			case <-e.dialing.Done():
			}
		default:
			return err
		}
	}
}

func (e *Endpoint) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// take has a connection shake hands in a goroutine of its own.
func (e *Endpoint) take(conn net.Conn) {
	from := hostOf(conn.RemoteAddr())
	if e.strikes.out(networkOf(from)) {
		e.tooMany(from, RefusedAddressLimit, "callers from there who mean no good")
		_ = conn.Close()
		return
	}
	if reason := e.handshakes.take(networkOf(from)); reason != "" {
		e.tooMany(from, reason, "handshakes")
		_ = conn.Close()
		return
	}
	if !e.spawnUntilTorn(func() { e.admit(conn, from) }) {
		e.handshakes.leave(networkOf(from))
		_ = conn.Close()
	}
}

func (e *Endpoint) admit(conn net.Conn, from string) {
	network := networkOf(from)
	defer e.handshakes.leave(network)
	ctx, cancel := context.WithTimeoutCause(e.ctx, e.cfg.HandshakeTimeout, errHandshake)
	defer cancel()
	sc, protocol, err := e.security.serve(ctx, conn)
	if err != nil {
		e.strikes.add(network, weightOf(err))
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && e.dialing.Err() == nil { // somebody who only looked whether the port is open
			e.turnedAway(from, whyNoTLS(err))
		}
		_ = conn.Close()
		return
	}
	boundUnsent(conn)
	sc.network = network
	if protocol == protoJoin {
		e.serveJoin(sc, from)
		return
	}
	if reason := e.connections.take(network); reason != "" {
		e.tooMany(from, reason, "connections")
		if protocol == protoOwn {
			stop := context.AfterFunc(ctx, func() { sc.Close() })
			_ = writeHello(sc, addText([]byte{byte(byLimit)}, "there are too many connections")) // it is hung up on all the same
			stop()
		}
		_ = sc.Close()
		return
	}
	sc.left = func() {
		e.connections.leave(network)
		if protocol == protoGRPC && !sc.info.pulse.used.Load() && e.dialing.Err() == nil {
			weight := offence // gRPC has hung up on it
			if sc.gone.Load() {
				weight = hangUp
			}
			e.strikes.add(network, weight)
			e.turnedAway(from, errNoStream)
		}
	}
	if protocol == protoOwn {
		e.admitOwn(ctx, sc, from)
		return
	}
	if !e.incoming.give(sc) {
		_ = sc.Close()
	}
}

// tooMany counts and logs a caller for whom there was no room.
func (e *Endpoint) tooMany(from string, reason Reason, what string) {
	e.refusals.add(reason, 1)
	if e.sayOnce(from, reason) {
		e.log.Warn("peer refused: there are too many "+what, "peer", from, "reason", string(reason))
	}
}

// A handover passes connections that were accepted elsewhere to gRPC, which wants a listener.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

var _ net.Listener = (*handover)(nil)

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handover) Addr() net.Addr { return handoverAddr{} }

type handoverAddr struct{}

func (handoverAddr) Network() string { return "handover" }
func (handoverAddr) String() string  { return "handover" }
