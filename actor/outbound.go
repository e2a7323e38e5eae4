package actor

import (
	"context"
	"errors"
	"fmt"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/tartrl/tlaunch-go/actor/internal/wire"
	"google.golang.org/protobuf/proto"
)

// What this system sends to nodes of other processes.

func (s *System) carrier() (Transport, error) {
	if t := s.transport.Load(); t != nil {
		return *t, nil
	}
	return nil, fmt.Errorf("%w: this process has no way to others", ErrUnreachable)
}

// failure is err as the caller of c sees it.
func (c *call) failure(err error) *Error {
	return &Error{Code: codeOf(err), Node: c.target.key, Method: c.method.name, Text: err.Error()}
}

// sendCall sends c's message to another process.
func (s *System) sendCall(ctx context.Context, c *call, arg any, chain []*wire.Link) error {
	m := &wire.Call{Method: c.method.name, Signature: c.method.hash, Chain: chain, Batched: c.method.batched}
	return s.transmit(ctx, c, c.target, c.method, m, arg, func(address string, release func()) func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.settled {
			return nil
		}
		if deadline, ok := ctx.Deadline(); ok {
			m.Timeout = max(1, int64(time.Until(deadline)))
		}
		c.address, c.release = address, release
		s.rememberLocked(c)
		m.Id = c.id
		return func() { s.forgetCall(c) }
	})
}

func (s *System) sendTell(ctx context.Context, t *target, m *method, arg any) error {
	call := &wire.Call{Method: m.name, Signature: m.hash}
	return s.transmit(ctx, nil, t, m, call, arg, func(_ string, release func()) func() { return release })
}

// transmit encodes arg into m and sends it once there is window; c is the
// call that waits, if any. enter is told where the message goes and how its
// window is given back, and returns what undoes it, or nil not to send. What
// could not be sent is sent to the node's next process where there will be one.
func (s *System) transmit(ctx context.Context, c *call, t *target, md *method, m *wire.Call, arg any, enter func(string, func()) func()) error {
	fail := func(err error) error {
		return &Error{Code: codeOf(err), Node: t.key, Method: md.name, Text: err.Error()}
	}
	if s.ctx.Err() != nil {
		return fail(context.Cause(s.ctx))
	}
	carrier, err := s.carrier()
	if err != nil {
		return fail(err)
	}
	if md.arg != nil {
		if m.Argument, err = md.arg.encode(arg); err != nil {
			return err
		}
	}
	for {
		address, err := s.transmitTo(ctx, carrier, c, t, m, enter)
		var full *noWindow
		switch {
		case err == nil:
			return nil
		case errors.As(err, &full):
			return full.err
		}
		if s.away != nil && ctx.Err() == nil && (errors.Is(err, ErrUnreachable) || errors.Is(err, ErrPeerGone)) {
			if err = s.awaitReturn(ctx, t, address, err); err == nil {
				continue
			}
		}
		err = fail(err)
		if c != nil {
			c.settle(nil, err)
		}
		return err
	}
}

// noWindow says that a sender's patience ended before there was window.
type noWindow struct{ err error }

func (e *noWindow) Error() string { return e.err.Error() }

// awaitReturn waits until the node has another process, under ctx and while the system lives.
func (s *System) awaitReturn(ctx context.Context, t *target, address string, why error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	err := s.away(ctx, t.key, address, why)
	if err == nil && s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	return err
}

// transmitTo makes one try at the process in which the node lives now, whose
// address it returns. An error says that m was not sent.
func (s *System) transmitTo(ctx context.Context, carrier Transport, c *call, t *target, m *wire.Call, enter func(string, func()) func()) (string, error) {
	to, err := s.pidOf(t)
	if err != nil {
		return "", err
	}
	w := s.windowFor(windowKey{to.Address, t.key})
	epoch, err := w.acquire(ctx, c)
	if errors.Is(err, errSettled) {
		return to.Address, nil
	}
	if err != nil {
		return to.Address, &noWindow{fmt.Errorf("%w: %s takes no more for now (window of %d): %w", ErrOverloaded, t.key, s.window, err)}
	}
	release := func() { w.release(epoch, 1) }
	undo := enter(to.Address, release)
	if undo == nil {
		release()
		return to.Address, nil
	}
	if s.ctx.Err() != nil { // it ended while this waited for window
		err = context.Cause(s.ctx)
	} else {
		err = carrier.Send(ctx, to, s.self(), m)
	}
	if err != nil {
		undo()
	}
	return to.Address, err
}

// forgetCall ends what the system knows of c: it was answered, or never will be.
func (s *System) forgetCall(c *call) {
	c.mu.Lock()
	id, release := c.id, c.release
	c.mu.Unlock()
	s.mu.Lock()
	_, known := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if known && release != nil {
		release()
	}
}

// sendCancel tells the node that nobody waits for c. If that fails the node
// works in vain, until the deadline that it was given.
func (s *System) sendCancel(c *call) {
	s.control(c.address, &wire.Cancel{Id: c.id})
}

// control sends m to the system process at an address.
func (s *System) control(address string, m proto.Message) {
	s.answerTo(protoactor.NewPID(address, SystemID), m)
}

func (s *System) answerTo(to *protoactor.PID, m proto.Message) {
	carrier, err := s.carrier()
	if err == nil {
		err = carrier.SendNow(to, s.self(), m)
	}
	if errors.Is(err, ErrTooLarge) {
		if r, ok := m.(*wire.Reply); ok && r.Error == nil {
			s.answerTo(to, &wire.Reply{Id: r.Id, Error: (&Error{Code: codeOf(err), Host: s.host, Node: "result", Text: err.Error()}).toWire()})
			return
		}
	}
	if err != nil {
		s.logger.Debug("control message lost", "to", to.Address, "type", fmt.Sprintf("%T", m), "error", err)
	}
}
