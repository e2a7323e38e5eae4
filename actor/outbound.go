package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/tartrl/tlaunch-go/actor/internal/wire"
	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/proto"
)

// What this system sends to nodes of other processes.

// A window bounds what is under way to one node: a call until it is
// answered, a tell until it has left the mailbox.
type window struct {
	sem *semaphore.Weighted

	mu    sync.Mutex
	out   int64
	epoch int // grows when the link is lost, with which all credit comes back
}

func (w *window) acquire(ctx context.Context) error {
	if err := w.sem.Acquire(ctx, 1); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out++
	return nil
}

func (w *window) currentEpoch() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epoch
}

// release gives n back; credit of an earlier epoch has come back already.
func (w *window) release(epoch int, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if epoch == w.epoch && n <= w.out {
		w.out -= n
		w.sem.Release(n)
	}
}

func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	w.sem.Release(w.out)
	w.out = 0
}

func (s *System) windowFor(t *target) *window {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.windows[t]
	if w == nil {
		w = &window{sem: semaphore.NewWeighted(int64(s.window))}
		s.windows[t] = w
	}
	return w
}

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
	if deadline, ok := ctx.Deadline(); ok {
		m.Timeout = max(1, int64(time.Until(deadline)))
	}
	w := s.windowFor(c.target)
	return s.transmit(ctx, c.target, c.method, m, arg, func(to *protoactor.PID) func(error) {
		epoch := w.currentEpoch()
		c.release = func() { w.release(epoch, 1) }
		c.address, c.id = to.Address, s.nextID()
		m.Id = c.id
		s.mu.Lock()
		s.pending[c.id] = c
		s.mu.Unlock()
		return func(err error) { c.settle(nil, err) }
	})
}

func (s *System) sendTell(ctx context.Context, t *target, m *method, arg any) error {
	w := s.windowFor(t)
	return s.transmit(ctx, t, m, &wire.Call{Method: m.name, Signature: m.hash}, arg, func(*protoactor.PID) func(error) {
		epoch := w.currentEpoch()
		return func(error) { w.release(epoch, 1) }
	})
}

// transmit encodes arg into call and sends it once there is window. enter is
// told the receiver when the message holds window, and returns what undoes it.
func (s *System) transmit(ctx context.Context, t *target, m *method, call *wire.Call, arg any, enter func(*protoactor.PID) func(error)) error {
	fail := func(err error) error {
		return &Error{Code: codeOf(err), Node: t.key, Method: m.name, Text: err.Error()}
	}
	carrier, err := s.carrier()
	if err != nil {
		return fail(err)
	}
	to, err := s.pidOf(t)
	if err != nil {
		return fail(err)
	}
	if m.arg != nil {
		if call.Argument, err = m.arg.encode(arg); err != nil {
			return err
		}
	}
	if err := s.windowFor(t).acquire(ctx); err != nil {
		return fmt.Errorf("%w: %s takes no more for now (window of %d): %w", ErrOverloaded, t.key, s.window, context.Cause(ctx))
	}
	undo := enter(to)
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	} else {
		err = carrier.Send(ctx, to, s.self(), call)
	}
	if err != nil {
		err = fail(err)
		undo(err)
	}
	return err
}

// forgetCall is told when a call of this system is settled.
func (s *System) forgetCall(c *call) {
	s.mu.Lock()
	delete(s.pending, c.id)
	s.mu.Unlock()
	if c.release != nil {
		c.release()
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
	var calls []*call
	for _, c := range s.pending {
		if c.address == address {
			calls = append(calls, c)
		}
	}
	var served []*inbound
	for k, in := range s.inbound {
		if k.address == address {
			served = append(served, in)
		}
	}
	windows := make(map[*target]*window, len(s.windows))
	for t, w := range s.windows {
		windows[t] = w
	}
	for k := range s.credits {
		if k.address == address {
			delete(s.credits, k)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(calls, func(a, b *call) int { return int(int64(a.id - b.id)) })
	for _, c := range calls {
		c.settle(nil, c.failure(fmt.Errorf("%w: %s: %v", ErrUnreachable, address, why)))
	}
	for _, in := range served {
		in.cancel(fmt.Errorf("%w: %s", ErrUnreachable, address))
	}
	for t, w := range windows {
		if at, err := s.locate(t.key); err == nil && at == address {
			w.reset()
		}
	}
}
