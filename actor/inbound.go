package actor

import (
	"context"
	"fmt"
	"reflect"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/tartrl/tlaunch-go/actor/internal/wire"
	"google.golang.org/protobuf/proto"
)

// What nodes of this process are sent through Proto.Actor's registry: calls
// of other processes of the run, and plain messages of any actor.

type inboundKey struct {
	address string
	id      uint64
}

// inbound is a call that this process handles for another.
type inbound struct {
	sys    *System
	key    inboundKey
	sender *protoactor.PID
	ctx    context.Context
	cancel context.CancelCauseFunc
	free   context.CancelFunc
}

func (in *inbound) reply(m *method, result any, err error) {
	r := &wire.Reply{Id: in.key.id}
	if err == nil && m.result != nil {
		r.Result, err = m.result.encode(result)
	}
	if err != nil {
		e, ok := err.(*Error)
		if !ok {
			e = &Error{Code: codeOf(err), Host: in.sys.host, Text: err.Error()}
		}
		r.Result, r.Error = nil, e.toWire()
	}
	s := in.sys
	s.mu.Lock()
	delete(s.inbound, in.key)
	s.mu.Unlock()
	in.free()
	s.answerTo(in.sender, r)
}

type creditKey struct{ address, node string }

// creditTaken gives window back to the sender of tells, a quarter at a time.
func (s *System) creditTaken(address, node string) {
	k := creditKey{address, node}
	s.mu.Lock()
	s.credits[k]++
	n := s.credits[k]
	if n < uint32(max(1, s.window/4)) {
		s.mu.Unlock()
		return
	}
	delete(s.credits, k)
	s.mu.Unlock()
	s.control(address, &wire.Credit{Node: node, Messages: n})
}

// nodeProcess is a node in Proto.Actor's registry.
type nodeProcess struct{ node *Node }

var _ protoactor.Process = (*nodeProcess)(nil)

func (p *nodeProcess) SendUserMessage(_ *protoactor.PID, m any) {
	_, m, sender := protoactor.UnwrapEnvelope(m)
	switch m := m.(type) {
	case *wire.Call:
		p.call(m, sender)
	case *protoactor.PoisonPill:
		p.Stop(nil)
	default:
		p.plain(m, sender)
	}
}

func (p *nodeProcess) call(m *wire.Call, sender *protoactor.PID) {
	n, s := p.node, p.node.sys
	if sender == nil || len(m.Chain) > maxChain {
		s.stats.deadLetters.Add(1)
		return
	}
	msg := message{call: m, chain: m.Chain}
	if m.Id == 0 {
		msg.taken = func() { s.creditTaken(sender.Address, n.key) }
	} else {
		in := s.receive(m, sender)
		msg.answer, msg.caller = in, in.ctx
	}
	if err := n.enqueue(s.ctx, msg); err != nil {
		n.discard(msg, err)
	}
}

func (s *System) receive(m *wire.Call, sender *protoactor.PID) *inbound {
	in := &inbound{sys: s, key: inboundKey{sender.Address, m.Id}, sender: sender}
	ctx, cancel := context.WithCancelCause(s.ctx)
	in.ctx, in.cancel = ctx, cancel
	in.free = func() { cancel(context.Canceled) }
	if m.Timeout > 0 {
		limited, stop := context.WithTimeout(ctx, time.Duration(m.Timeout))
		in.ctx = limited
		in.free = func() { stop(); cancel(context.Canceled) }
	}
	s.mu.Lock()
	s.inbound[in.key] = in
	s.mu.Unlock()
	return in
}

// plainPatience is how long a plain message waits for room in a mailbox,
// holding up its sender, before it becomes a dead letter.
const plainPatience = 30 * time.Second

// plain gives a message of an actor that knows nothing of nodes to the one
// method that takes its type, and the result, if it is a protobuf message, to
// the sender.
func (p *nodeProcess) plain(m any, sender *protoactor.PID) {
	n, s := p.node, p.node.sys
	a := &plainAnswer{s, sender, n.key, m}
	md := methodTaking(n.typ, reflect.TypeOf(m))
	if md == nil {
		a.reply(nil, nil, fmt.Errorf("%w: %s has no single method that takes %T", ErrNoMethod, n.key, m))
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, plainPatience)
	defer cancel()
	msg := message{method: md, arg: m, answer: a}
	if err := n.enqueue(ctx, msg); err != nil {
		n.discard(msg, err)
	}
}

// methodTaking finds the only method of t whose argument is of type arg.
func methodTaking(t, arg reflect.Type) *method {
	var found *method
	for i := range t.NumMethod() {
		m, err := resolveMethod(t, t.Method(i).Name)
		if err != nil || m.arg == nil || m.arg.typ != arg {
			continue
		}
		if found != nil {
			return nil
		}
		found = m
	}
	return found
}

// plainAnswer tells an actor the result in Proto.Actor's own way.
type plainAnswer struct {
	sys    *System
	sender *protoactor.PID
	node   string
	m      any
}

func (a *plainAnswer) reply(_ *method, result any, err error) {
	if err != nil {
		a.sys.stats.deadLetters.Add(1)
		a.sys.logger.Warn("a plain message was not handled", "node", a.node, "type", fmt.Sprintf("%T", a.m), "error", err)
		if a.sender != nil {
			a.sys.actors.Root.Send(a.sender, &protoactor.DeadLetterResponse{})
		}
		return
	}
	if m, ok := result.(proto.Message); ok && a.sender != nil {
		a.sys.actors.Root.Send(a.sender, proto.Clone(m))
	}
}

func (p *nodeProcess) SendSystemMessage(_ *protoactor.PID, m any) {
	n := p.node
	switch m := m.(type) {
	case *protoactor.Watch:
		if m.Watcher == nil {
			return
		}
		n.mu.Lock()
		gone := n.phase == stopped
		if !gone {
			n.watchers[m.Watcher.String()] = m.Watcher
		}
		n.mu.Unlock()
		if gone {
			n.sys.terminated(m.Watcher, n.key)
		}
	case *protoactor.Unwatch:
		if m.Watcher != nil {
			n.mu.Lock()
			delete(n.watchers, m.Watcher.String())
			n.mu.Unlock()
		}
	case *protoactor.Stop:
		p.Stop(nil)
	}
}

// Stop ends the node, as Proto.Actor's Stop does, without waiting.
func (p *nodeProcess) Stop(*protoactor.PID) {
	p.node.sys.group.Go(func() {
		if err := p.node.Stop(p.node.sys.ctx); err != nil {
			p.node.logger().Warn("stopped by an actor", "error", err)
		}
	})
}

// terminated tells a watcher that a node has stopped.
func (s *System) terminated(watcher *protoactor.PID, key string) {
	if proc, ok := s.actors.ProcessRegistry.Get(watcher); ok {
		proc.SendSystemMessage(watcher, &protoactor.Terminated{Who: s.actors.NewLocalPID(key), Why: protoactor.TerminatedReason_Stopped})
	}
}

// deadLetter answers calls for nodes that this process does not have.
func (s *System) deadLetter(event any) {
	e, ok := event.(*protoactor.DeadLetterEvent)
	if !ok {
		return
	}
	s.stats.deadLetters.Add(1)
	m, ok := e.Message.(*wire.Call)
	if !ok || e.Sender == nil {
		return
	}
	key := e.PID.GetId()
	if m.Id == 0 {
		s.creditTaken(e.Sender.Address, key)
		return
	}
	err := &Error{Code: codeOf(ErrNoNode), Node: key, Host: s.host, Method: m.Method, Text: ErrNoNode.Error() + " here (any more)"}
	s.answerTo(e.Sender, &wire.Reply{Id: m.Id, Error: err.toWire()})
}

// systemProcess receives what systems say to each other.
type systemProcess struct{ sys *System }

var _ protoactor.Process = (*systemProcess)(nil)

func (p *systemProcess) SendUserMessage(_ *protoactor.PID, m any) {
	s := p.sys
	_, m, sender := protoactor.UnwrapEnvelope(m)
	if sender == nil {
		s.stats.deadLetters.Add(1)
		return
	}
	switch m := m.(type) {
	case *wire.Reply:
		s.replied(m, sender.Address)
	case *wire.Cancel:
		s.mu.Lock()
		in := s.inbound[inboundKey{sender.Address, m.Id}]
		s.mu.Unlock()
		if in != nil {
			in.cancel(context.Canceled)
		}
	case *wire.Credit:
		s.credited(m)
	case *wire.Probe:
		s.probed(m)
	case *wire.ProbeHit:
		s.probeHit(m)
	default:
		s.stats.deadLetters.Add(1)
	}
}

func (p *systemProcess) SendSystemMessage(*protoactor.PID, any) {}
func (p *systemProcess) Stop(*protoactor.PID)                   {}

func (s *System) replied(m *wire.Reply, from string) {
	s.mu.Lock()
	c := s.pending[m.Id]
	s.mu.Unlock()
	if c == nil || c.address != from {
		return // it was given up, or is none of the sender's business
	}
	if m.Error != nil {
		c.settle(nil, errorFromWire(m.Error))
		return
	}
	result := m.Result
	if result == nil {
		result = []byte{}
	}
	c.settleEncoded(result, nil)
}

func (s *System) credited(m *wire.Credit) {
	t := s.table.find(m.Node)
	s.mu.Lock()
	w := s.windows[t]
	s.mu.Unlock()
	if w != nil {
		w.release(w.currentEpoch(), int64(m.Messages))
	}
}
