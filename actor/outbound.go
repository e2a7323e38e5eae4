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
func (s *System) sendCall(ctx context.Context, c *call, arg argument, chain []*wire.Link) error {
	m := &wire.Call{Method: c.method.name, Signature: c.method.hash, Chain: chain, Batched: c.method.batched, Trace: c.asker.trace.encoded()}
	md := c.method
	if s.ctx.Err() != nil {
		return md.refused(c.target, context.Cause(s.ctx))
	}
	carrier, err := s.carrier()
	if err != nil {
		return md.refused(c.target, err)
	}
	if md.arg != nil {
		if m.Argument, err = md.arg.encodeArgument(arg); err != nil {
			return err
		}
	}
	for {
		w, err := s.wayTo(carrier, c.target)
		if err == nil {
			err = s.transmit(ctx, w, c, m, arg.room)
		}
		var full *noWindow
		switch {
		case err == nil:
			return nil
		case errors.As(err, &full):
			return full.err
		}
		if err = s.again(ctx, c.target, w, err); err != nil {
			err = md.refused(c.target, err)
			c.settle(nil, err)
			return err
		}
	}
}

// transmit makes one try to send c's message, once there is window. An error says that it was not sent, and that room is still the caller's.
func (s *System) transmit(ctx context.Context, w *way, c *call, m *wire.Call, room *[]byte) error {
	size := len(m.Argument)
	epoch, err := w.window.acquire(ctx, c, size)
	if errors.Is(err, errSettled) {
		return nil
	}
	if err != nil {
		return &noWindow{s.overloaded(c.target, err)}
	}
	release := func() { w.window.release(epoch, budget{1, size}) }
	c.mu.Lock()
	if c.settled {
		c.mu.Unlock()
		release()
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		m.Timeout = max(1, int64(time.Until(deadline)))
	}
	c.address, c.release = w.to.Address, release
	s.rememberLocked(c)
	m.Id = c.id
	c.mu.Unlock()
	p := Parcel{Target: c.target.key, Label: c.method.call, Head: callHead(m), Traced: len(m.Trace), Body: m.Argument, Room: room}
	if err = s.carry(ctx, w, p, func() proto.Message { return m }); err != nil {
		s.forgetCall(c)
	}
	return err
}

// sendTell sends a message that nobody waits for to another process.
func (s *System) sendTell(ctx context.Context, t *target, md *method, arg argument, along *traced) error {
	carrier, err := s.carrier()
	if err != nil {
		return md.refused(t, err)
	}
	var data []byte
	if md.arg != nil {
		if data, err = md.arg.encodeArgument(arg); err != nil {
			return err
		}
	}
	head := along.encoded()
	for {
		w, err := s.wayTo(carrier, t)
		if err == nil {
			epoch, full := w.window.acquire(ctx, nil, len(data))
			if full != nil {
				return s.overloaded(t, full)
			}
			if head == nil && arg.room == nil {
				err = s.postTell(ctx, w, md, data)
			} else {
				err = s.carry(ctx, w, Parcel{Target: t.key, Label: md.tell, Head: head, Traced: len(head), Body: data, Room: arg.room}, func() proto.Message {
					return &wire.Call{Method: md.name, Signature: md.hash, Argument: data, Trace: head}
				})
			}
			if err == nil {
				return nil
			}
			w.window.release(epoch, budget{1, len(data)})
		}
		if err = s.again(ctx, t, w, err); err != nil {
			return md.refused(t, err)
		}
	}
}

// carry sends a parcel, or what it says as a message.
func (s *System) carry(ctx context.Context, w *way, p Parcel, m func() proto.Message) error {
	if s.ctx.Err() != nil { // it ended while this waited for window
		return context.Cause(s.ctx)
	}
	if w.route != nil {
		if err := w.route.Post(ctx, p); !errors.Is(err, ErrNoParcels) {
			return err
		}
	}
	return w.carrier.Send(ctx, w.to, s.self(), m())
}

// again says whether to try once more to send what could not be sent over w, which is nil where there is no address: it waits until the node
// has another process where there will be one, and returns nil, or why the message fails.
func (s *System) again(ctx context.Context, t *target, w *way, err error) error {
	if s.away == nil || errors.Is(err, errNoPatience) || !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrPeerGone) {
		return err
	}
	if ctx.Err() != nil {
		if errors.Is(context.Cause(ctx), errNoPatience) {
			return errNoPatience // whoever has some may wait
		}
		return err
	}
	address := ""
	if w != nil {
		address = w.to.Address
	}
	return s.awaitReturn(ctx, t, address, err)
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

// refused is why a message of this method was not sent.
func (m *method) refused(t *target, err error) error {
	if errors.Is(err, errNoPatience) {
		return err
	}
	return &Error{Code: codeOf(err), Node: t.key, Method: m.name, Text: err.Error()}
}

func (s *System) overloaded(t *target, err error) error {
	return fmt.Errorf("%w: %s takes no more for now (window of %d messages and %d bytes): %w", ErrOverloaded, t.key,
		s.window.messages, s.window.bytes, err)
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

// refusesResult reports whether a transport has no room for a result of this size. Its caller is told why, which takes less: it would wait for ever
// otherwise.
func refusesResult(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, ErrOverloaded)
}

// refusal is the answer to a call whose result was refused.
func (s *System) refusal(id uint64, why error) *wire.Reply {
	return &wire.Reply{Id: id, Error: (&Error{Code: codeOf(why), Host: s.host, Node: "result", Text: why.Error()}).toWire()}
}

func (s *System) answerTo(to *protoactor.PID, m proto.Message) {
	carrier, err := s.carrier()
	if err == nil {
		err = carrier.SendNow(to, s.self(), m)
	}
	if refusesResult(err) {
		if r, ok := m.(*wire.Reply); ok && r.Error == nil {
			s.answerTo(to, s.refusal(r.Id, err))
			return
		}
	}
	if err != nil {
		s.logger.Debug("control message lost", "to", to.Address, "type", fmt.Sprintf("%T", m), "error", err)
	}
}
