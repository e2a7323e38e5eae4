package actor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	return s.transmit(ctx, c, c.target, c.method, m, arg, func(address string, release func()) func(error) {
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
		return func(err error) {
			s.forgetCall(c)
			c.settle(nil, err)
		}
	})
}

func (s *System) sendTell(ctx context.Context, t *target, m *method, arg any) error {
	call := &wire.Call{Method: m.name, Signature: m.hash}
	return s.transmit(ctx, nil, t, m, call, arg, func(_ string, release func()) func(error) {
		return func(error) { release() }
	})
}

// transmit encodes arg into m and sends it once there is window; c is the
// call that waits, if any. enter is told where the message goes and how its
// window is given back, and returns what undoes it, or nil not to send.
func (s *System) transmit(ctx context.Context, c *call, t *target, md *method, m *wire.Call, arg any, enter func(string, func()) func(error)) error {
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
	to, err := s.pidOf(t)
	if err != nil {
		return fail(err)
	}
	if md.arg != nil {
		if m.Argument, err = md.arg.encode(arg); err != nil {
			return err
		}
	}
	w := s.windowFor(windowKey{to.Address, t.key})
	epoch, err := w.acquire(ctx, c)
	if errors.Is(err, errSettled) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %s takes no more for now (window of %d): %w", ErrOverloaded, t.key, s.window, err)
	}
	release := func() { w.release(epoch, 1) }
	undo := enter(to.Address, release)
	if undo == nil {
		release()
		return nil
	}
	if s.ctx.Err() != nil { // it ended while this waited for window
		err = context.Cause(s.ctx)
	} else {
		err = carrier.Send(ctx, to, s.self(), m)
	}
	if err != nil {
		err = fail(err)
		undo(err)
	}
	return err
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
	s.answerTo(protoactor.NewPID(address, systemID), m)
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

// PeerDown tells the system that the link to the process at address was lost
// and with it what was under way: calls to its nodes end with [ErrUnreachable]
// and why, calls of its nodes are cancelled.
func (s *System) PeerDown(address string, why error) {
	if why == nil {
		why = errors.New("the link was closed")
	}
	s.mu.Lock()
	calls := slices.Collect(maps.Values(s.pending))
	var served []*inbound
	for k, in := range s.inbound {
		if k.address == address {
			served = append(served, in)
		}
	}
	var windows []*window
	for k, w := range s.windows {
		if k.address == address {
			windows = append(windows, w)
		}
	}
	for k, a := range s.accounts {
		if k.address == address {
			a.gone = true
			delete(s.accounts, k)
		}
	}
	nodes := slices.Collect(maps.Values(s.nodes))
	s.mu.Unlock()
	// One that still waits for window may get its address now; a call's lock is taken before the system's.
	calls = slices.DeleteFunc(calls, func(c *call) bool { return c.sentTo() != address })
	slices.SortFunc(calls, func(a, b *call) int { return cmp.Compare(a.id, b.id) })
	for _, c := range calls {
		s.forgetCall(c)
		c.settle(nil, c.failure(fmt.Errorf("%w: %s: %v", ErrUnreachable, address, why)))
	}
	for _, in := range served {
		in.cancel(fmt.Errorf("%w: %s", ErrUnreachable, address))
	}
	for _, w := range windows {
		w.reset()
	}
	for _, n := range nodes {
		n.unwatchAll(address)
	}
}
