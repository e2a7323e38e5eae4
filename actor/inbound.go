package actor

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// What nodes of this process are sent through Proto.Actor's registry: calls
// of other processes of the run, and plain messages of any actor.

type inboundKey struct {
	address string
	id      uint64
}

// inbound is a call that this process handles for another.
type inbound struct {
	sys     *System
	node    *Node
	account *account // nil: it was refused
	key     inboundKey
	sender  *protoactor.PID
	ctx     context.Context
	cancel  context.CancelCauseFunc
	free    context.CancelFunc
	size    int         // of the argument's encoding, for account
	route   Route       // by which parcels come; nil: it came as a message
	asker   asker       // of its message
	given   bool        // the result's memory goes along; belongs to the goroutine of the method
	told    atomic.Bool // its sender was answered, perhaps before its method has returned
}

func (in *inbound) reply(m *method, result any, err error) {
	if in.told.Swap(true) {
		return
	}
	r := &wire.Reply{Id: in.key.id}
	var room *[]byte
	if err == nil && m.result != nil {
		if r.Result, err = m.result.encode(result); in.given && m.result.kind == codecBytes && len(r.Result) > 0 {
			given := r.Result
			room = &given
		}
	}
	if err != nil {
		e, ok := err.(*Error)
		if !ok {
			e = &Error{Code: codeOf(err), Host: in.sys.host, Text: err.Error()}
		}
		r.Result, r.Error = nil, e.toWire()
	}
	s := in.sys
	if in.account != nil { // before its caller may have heard
		in.account.answered(s.window, in.size)
		s.mu.Lock()
		delete(s.inbound, in.key)
		s.mu.Unlock()
	}
	if in.route == nil || !in.post(r, room) {
		s.answerTo(in.sender, r)
	}
	in.free()
}

// nodeProcess is a node in Proto.Actor's registry: whichever has the name.
type nodeProcess struct{ at atomic.Pointer[Node] }

var _ protoactor.Process = (*nodeProcess)(nil)

func (p *nodeProcess) SendUserMessage(_ *protoactor.PID, m any) {
	env, s := m, p.at.Load().sys
	header, m, sender := protoactor.UnwrapEnvelope(m)
	switch m := m.(type) {
	case *wire.Call:
		p.call(m, sender)
	case *protoactor.PoisonPill:
		p.stopInTurn()
	default:
		p.plain(m, sender, s.traceOfHeader(header), isForeign(s, env))
	}
}

func (p *nodeProcess) call(m *wire.Call, sender *protoactor.PID) {
	n := p.at.Load()
	s := n.sys
	if sender == nil || len(m.Chain) > maxChain || slices.Contains(m.Chain, nil) {
		s.stats.deadLetters.Add(1)
		return
	}
	size := len(m.Argument)
	msg := message{asker: &asker{chain: m.Chain, call: m, trace: s.traceOf(m.Trace)}, reserved: true, size: size}
	account := s.accountFor(windowKey{sender.Address, n.key})
	err := account.admit(s.window, size)
	if m.Id != 0 {
		in := s.receive(&inbound{
			sys: s, node: n, account: account, key: inboundKey{sender.Address, m.Id}, sender: sender, size: size,
		}, time.Duration(m.Timeout), err)
		if in == nil {
			return
		}
		msg.answer, msg.caller = in, in.ctx
	} else if err == nil {
		msg.account = account
	}
	if err == nil {
		err = n.enqueue(s.ctx, &msg)
	}
	if err != nil {
		n.discard(msg, err)
	}
}

// receive makes an entry for a call that its account has admitted, or has refused: then the entry is only good for the answer. It returns
// nil when its sender has one of the same id.
func (s *System) receive(in *inbound, timeout time.Duration, refused error) *inbound {
	if refused != nil {
		in.account = nil
		in.ctx, in.free = s.ctx, func() {}
		return in
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	in.ctx, in.cancel = ctx, cancel
	in.free = func() { cancel(context.Canceled) }
	if timeout > 0 {
		limited, stop := context.WithTimeout(ctx, timeout)
		in.ctx = limited
		in.free = func() { stop(); cancel(context.Canceled) }
	}
	s.mu.Lock()
	twice := s.inbound[in.key] != nil
	if !twice {
		s.inbound[in.key] = in
	}
	s.mu.Unlock()
	if twice {
		in.free()
		in.account.answered(s.window, in.size)
		s.stats.deadLetters.Add(1) // its first answers it
		return nil
	}
	return in
}

func (p *nodeProcess) SendSystemMessage(_ *protoactor.PID, m any) {
	n := p.at.Load()
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
	n := p.at.Load()
	n.sys.background(func() {
		if err := n.Stop(n.sys.ctx); err != nil {
			n.logger().Warn("stopped by an actor", "error", err)
		}
	})
}

// stopInTurn ends the node after what was sent before, as a PoisonPill does.
func (p *nodeProcess) stopInTurn() {
	pill := &method{name: "PoisonPill", invoke: func(any, context.Context, any) (any, error) {
		p.Stop(nil)
		return nil, nil
	}}
	n := p.at.Load()
	_ = n.enqueue(n.ctx, &message{method: pill, reserved: true}) // refused: it has stopped
}

// unwatchAll forgets the watchers of a process that cannot be told any more.
func (n *Node) unwatchAll(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.watchers, func(_ string, w *protoactor.PID) bool { return w.Address == address })
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
		s.giveCredit(windowKey{e.Sender.Address, key}, budget{1, len(m.Argument)})
		return
	}
	why := s.missing(key)
	err := &Error{Code: codeOf(why), Node: key, Host: s.host, Method: m.Method, Text: why.Error()}
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
		s.credited(m.Node, sender.Address, budget{int(m.Messages), int(m.Bytes)})
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
	if m.Error != nil {
		s.settleReply(m.Id, from, nil, errorFromWire(m.Error))
		return
	}
	result := m.Result
	if result == nil {
		result = []byte{}
	}
	s.settleReply(m.Id, from, result, nil)
}

// settleReply ends a call with what its node has answered.
func (s *System) settleReply(id uint64, from string, result []byte, err error) {
	s.mu.Lock()
	c := s.pending[id]
	s.mu.Unlock()
	if c == nil || c.sentTo() != from {
		return // it was given up, or is none of the sender's business
	}
	s.forgetCall(c)
	if err != nil {
		c.settle(nil, err)
		return
	}
	c.settleEncoded(result, nil)
}

func (s *System) credited(node, from string, back budget) {
	s.mu.Lock()
	w := s.windows[windowKey{from, node}]
	s.mu.Unlock()
	if w != nil {
		w.credit(back)
	}
}
