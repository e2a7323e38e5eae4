package actor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
)

// Messages of actors that know nothing of nodes.

const (
	// plainPatience is how long a plain message waits for room in a mailbox,
	// holding up its sender, before it becomes a dead letter.
	plainPatience = 30 * time.Second
	// foreignPatience is the same for one that came over a link, whose reader
	// it holds up: enough for a node that is alive to take a message. One that
	// has not gets no second chance before it has room.
	foreignPatience = 100 * time.Millisecond
)

// isForeign reports whether a link's reader brings m: it wraps every message,
// Proto.Actor in this process only those that have a sender.
func isForeign(s *System, m any) bool {
	e, ok := m.(*protoactor.MessageEnvelope)
	return ok && (e.Sender == nil || e.Sender.Address != s.actors.Address())
}

// plain gives m to the one method that takes its type, and the result to the
// sender: a protobuf message to any, other values within this process.
func (p *nodeProcess) plain(m any, sender *protoactor.PID, along *traced, foreign bool) {
	n := p.at.Load()
	s := n.sys
	a := &plainAnswer{s, sender, n.key, m}
	md := methodTaking(n.typ, reflect.TypeOf(m))
	if md == nil {
		a.reply(nil, nil, fmt.Errorf("%w: %s has no single method that takes %T", ErrNoMethod, n.key, m))
		return
	}
	msg := message{asker: &asker{answer: a, trace: along}, method: md}
	if err := s.load(n, &msg, argumentOf(m)); err != nil {
		a.reply(nil, nil, err)
		return
	}
	if err := n.enqueuePlain(&msg, foreign); err != nil {
		n.discard(msg, err)
	}
}

// enqueuePlain waits for room as long as a plain message may. A link waits once: while a node has no room at all, its messages would hold up
// those for all others one after the other.
func (n *Node) enqueuePlain(m *message, foreign bool) error {
	patience := plainPatience
	if foreign {
		if n.stuck.Load() {
			err := n.enqueue(NoWait(n.sys.ctx), m)
			n.stuck.Store(err != nil)
			return err
		}
		patience = foreignPatience
	}
	ctx, cancel := context.WithTimeout(n.sys.ctx, patience)
	defer cancel()
	err := n.enqueue(ctx, m)
	if foreign && errors.Is(err, ErrOverloaded) {
		n.stuck.Store(true)
	}
	return err
}

type takes struct{ node, arg reflect.Type }

var takers sync.Map // takes → *method, nil for none

// methodTaking finds the only method of t whose argument is of type arg.
func methodTaking(t, arg reflect.Type) *method {
	k := takes{t, arg}
	if m, ok := takers.Load(k); ok {
		return m.(*method)
	}
	var found *method
	for i := range t.NumMethod() {
		m, err := resolveMethod(t, t.Method(i).Name)
		if err != nil || m.arg == nil || m.arg.typ != arg {
			continue
		}
		if found != nil {
			found = nil
			break
		}
		found = m
	}
	takers.Store(k, found)
	return found
}

// plainAnswer tells an actor the result in Proto.Actor's own way.
type plainAnswer struct {
	sys    *System
	sender *protoactor.PID
	node   string
	m      any
}

func (a *plainAnswer) reply(m *method, result any, err error) {
	if err == nil && a.sender != nil && m.result != nil {
		result, _, err = m.result.copy(result, a.sys.table, false)
	}
	if err != nil {
		a.sys.stats.deadLetters.Add(1)
		a.sys.logger.Warn("a plain message was not handled", "node", a.node, "type", fmt.Sprintf("%T", a.m), "error", err)
		if a.sender != nil {
			a.sys.actors.Root.Send(a.sender, &protoactor.DeadLetterResponse{})
		}
		return
	}
	if a.sender == nil || m.result == nil {
		return
	}
	if _, ok := result.(proto.Message); ok || a.sender.Address == a.sys.actors.Address() {
		a.sys.actors.Root.Send(a.sender, result)
	}
}
