package actor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
)

// Streams of bytes between nodes: the opener's side. What serves them is in serve.go.

// ErrNoStreams: the node's process, or the way to it, carries messages only. It is of an older release, a stock process of Proto.Actor, or
// has no [System].
var ErrNoStreams = errors.New("actor: the process takes no streams")

// Open opens a stream of bytes to the node of ref: m runs there with the other end, in a goroutine of its own, at once with the node's turns,
// so m must lock what it shares with methods. m is a method expression of T, as for [Call]:
//
//	conn, err := actor.Open(ctx, ref, (*Store).Upload)
//
// Open returns when the node and its method were found there. Until the node is open, which it is when its Start has returned, m has not
// begun, and what is written waits. The context of m is like that of Run: it has the node's values, is no turn, and ends when the node stops or
// is replaced. When m returns its end is closed; an error of m, or a panic, is counted and logged where the node lives, as that of a Tell is, and
// the opener is not told. Where the node is stopping or was replaced already, that is no failure.
//
// ctx bounds the opening only. The end that Open returns is closed when the node of ctx stops or is replaced, of a ctx that is no node's when the
// system is closed, so that nobody leaks it; close it as soon as it is not needed. Closing it again does nothing. It is a [net.Conn]
// that also has CloseWrite() error, after which the other end has read everything when its Read returns io.EOF. See [WriteBuffers].
//
// A stream is a connection of its own, and ends with it: other than a link it is not made anew. It ends too with the last link between the two
// processes. An end that was cut off can look like one that was closed: what is sent says itself how much it is. After a Write
// has timed out, later ones fail: what has been sent is not known.
//
// Errors of opening are [*Error] or wrap one of the package's sentinels: [ErrZeroRef], [ErrNoNode], [ErrNoMethod], [ErrNotMethod], [ErrStopped],
// [ErrPeerGone], [ErrNoStreams], [ErrOverloaded] where there are too many streams, ctx's error; and [ErrUnreachable], also where there is a link but no
// connection can be opened in this direction. Open does not wait for a host that is away.
func Open[T any](ctx context.Context, ref Ref[T], m func(T, context.Context, net.Conn) error) (net.Conn, error) {
	name, err := expressionName(reflect.ValueOf(m).Pointer(), reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return openStream(ctx, ref.target, name)
}

// A Streamer is a transport that carries streams of bytes as well.
type Streamer interface {
	Transport
	// OpenStream opens a stream to a node of the process at an address, for its method of that name. ctx bounds the opening. The
	// error is an [*Error] where it is the other process's, and wraps [ErrNoStreams] where that takes none. The connection may have CloseWrite() error,
	// and WriteBuffers(net.Buffers) (int64, error), see [WriteBuffers].
	OpenStream(ctx context.Context, address, node, method string) (net.Conn, error)
}

// A StreamTaker is a process of Proto.Actor's registry that takes streams: the system's own, named [SystemID].
type StreamTaker interface {
	// TakeStream finds who serves a stream, and why nobody does. serve begins to, and does not wait; it closes the connection in the end. It
	// has to be called once, with nil where there is no connection after all: the node waits for that when it stops.
	TakeStream(node, method string) (serve func(net.Conn), err error)
}

func openStream(ctx context.Context, t *target, method string) (net.Conn, error) {
	if t == nil {
		return nil, fmt.Errorf("%w: opening %s", ErrZeroRef, method)
	}
	s, err := t.system()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	owner, name := s.ctx, s.host
	if n := nodeOf(ctx); n != nil {
		owner, name = n.ctx, n.key
	}
	conn, err := net.Conn(nil), context.Cause(owner)
	if err == nil {
		conn, err = s.streamTo(ctx, t, method, name)
	}
	var told *Error
	switch {
	case err == nil:
		return newStreamEnd(owner, conn), nil
	case ctx.Err() != nil && owner.Err() == nil:
		return nil, fmt.Errorf("opening a stream to %s: %w (%v)", t.key, ended(ctx), err)
	case errors.As(err, &told):
		return nil, told
	}
	return nil, &Error{Code: codeOf(err), Node: t.key, Method: method, Text: err.Error()}
}

// streamTo makes the connection of a stream, whose opener is called from.
func (s *System) streamTo(ctx context.Context, t *target, method, from string) (net.Conn, error) {
	if n := s.local(t); n != nil {
		serve, err := n.takeStream(method)
		if err != nil {
			return nil, err
		}
		here, there := newPipe(from, n.key)
		serve(there)
		return here, nil
	}
	transport, err := s.carrier()
	if err != nil {
		return nil, err
	}
	address, err := s.addressOf(t)
	if err != nil {
		return nil, err
	}
	if address == s.actors.Address() {
		return nil, fmt.Errorf("%w: %s is an actor of Proto.Actor, and has no %s", ErrNoMethod, t.key, method)
	}
	streamer, ok := transport.(Streamer)
	if !ok {
		return nil, fmt.Errorf("%w: the way to other processes carries messages only", ErrNoStreams)
	}
	return streamer.OpenStream(ctx, address, t.key, method)
}

// A streamEnd is one end of a stream, which is closed with the node that has it.
type streamEnd struct {
	net.Conn
	unhook func() bool
}

func newStreamEnd(owner context.Context, conn net.Conn) *streamEnd {
	return &streamEnd{conn, context.AfterFunc(owner, func() { _ = conn.Close() })}
}

// Close closes this end. What either end waits for ends.
func (e *streamEnd) Close() error {
	e.unhook()
	return e.Conn.Close()
}

// CloseWrite says that nothing more will be written.
func (e *streamEnd) CloseWrite() error {
	c, ok := e.Conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("actor: this stream cannot be closed on one side: %w", errors.ErrUnsupported)
	}
	return c.CloseWrite()
}

// WriteBuffers is what the function of that name looks for.
func (e *streamEnd) WriteBuffers(parts net.Buffers) (int64, error) {
	return WriteBuffers(e.Conn, parts)
}

// WriteBuffers writes parts, one behind the other, to a stream that [Open] has made or a method was given: with as few system calls as one Write of
// all, and in full records under TLS, without copying them together. (The WriteTo of [net.Buffers] knows TCP without TLS only.) Of another
// connection it is that WriteTo. It uses parts up, as that does.
func WriteBuffers(conn net.Conn, parts net.Buffers) (int64, error) {
	if c, ok := conn.(interface {
		WriteBuffers(net.Buffers) (int64, error)
	}); ok {
		return c.WriteBuffers(parts)
	}
	return parts.WriteTo(conn)
}
