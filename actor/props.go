package actor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// A PropsNode is the type of refs to nodes that are raw Proto.Actor actors:
// they have a PID and no methods.
type PropsNode struct{ _ byte }

// SpawnProps starts a raw Proto.Actor actor under the name key, with a bounded
// mailbox of the given capacity (zero and less: [DefaultCapacity]) in place of
// the unbounded one. Whoever sends to a full one is held up, for 30 seconds at
// most; then the message is a dead letter.
func (s *System) SpawnProps(key string, props *protoactor.Props, capacity int) (*protoactor.PID, error) {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	own := *props // the program's value is left as it is
	own.Configure(protoactor.WithMailbox(func() protoactor.Mailbox { return newPropsMailbox(s, key, capacity) }))
	pid, err := s.actors.Root.SpawnNamed(&own, key)
	if err != nil {
		return nil, fmt.Errorf("actor: starting the actor of %s: %w", key, err)
	}
	s.mu.Lock()
	s.props[key] = pid
	s.mu.Unlock()
	return pid, nil
}

// StopProps stops a raw actor and waits, under ctx, until it has stopped.
func (s *System) StopProps(ctx context.Context, key string) error {
	s.mu.Lock()
	pid := s.props[key]
	delete(s.props, key)
	s.mu.Unlock()
	if pid == nil {
		return nil
	}
	done := make(chan error, 1)
	future := s.actors.Root.StopFuture(pid)
	s.group.Go(func() { done <- future.Wait() }) // ends by Proto.Actor's own limit of 10 s
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: has not stopped: %w", key, ctx.Err())
	}
}

// propsMailbox is a bounded mailbox for Proto.Actor's own actors.
type propsMailbox struct {
	sys        *System
	key        string
	room       chan struct{} // one token per user message in the mailbox
	invoker    protoactor.MessageInvoker
	dispatcher protoactor.Dispatcher
	waiting    atomic.Int64 // user messages in the mailbox

	mu        sync.Mutex
	system    []any
	user      []any
	suspended bool
	running   bool
}

func newPropsMailbox(s *System, key string, capacity int) *propsMailbox {
	return &propsMailbox{sys: s, key: key, room: make(chan struct{}, capacity)}
}

var _ protoactor.Mailbox = (*propsMailbox)(nil)

func (b *propsMailbox) RegisterHandlers(i protoactor.MessageInvoker, d protoactor.Dispatcher) {
	b.invoker, b.dispatcher = i, d
}

func (b *propsMailbox) Start() {}

func (b *propsMailbox) UserMessageCount() int { return int(b.waiting.Load()) }

func (b *propsMailbox) PostUserMessage(m any) {
	select {
	case b.room <- struct{}{}:
	default:
		timer := time.NewTimer(plainPatience)
		defer timer.Stop()
		select {
		case b.room <- struct{}{}:
		case <-timer.C:
			b.refuse(m)
			return
		case <-b.sys.ctx.Done():
			b.refuse(m)
			return
		}
	}
	b.waiting.Add(1)
	b.mu.Lock()
	b.user = append(b.user, m)
	b.scheduleLocked()
	b.mu.Unlock()
}

func (b *propsMailbox) refuse(m any) {
	_, content, sender := protoactor.UnwrapEnvelope(m)
	b.sys.actors.EventStream.Publish(&protoactor.DeadLetterEvent{PID: b.sys.actors.NewLocalPID(b.key), Message: content, Sender: sender})
}

func (b *propsMailbox) PostSystemMessage(m any) {
	b.mu.Lock()
	b.system = append(b.system, m)
	b.scheduleLocked()
	b.mu.Unlock()
}

func (b *propsMailbox) scheduleLocked() {
	if !b.running && (len(b.system) > 0 || len(b.user) > 0 && !b.suspended) {
		b.running = true
		b.dispatcher.Schedule(b.run)
	}
}

// run hands messages to the actor until there are none, system messages first.
func (b *propsMailbox) run() {
	for {
		b.mu.Lock()
		var m any
		var isSystem bool
		switch {
		case len(b.system) > 0:
			m, b.system, isSystem = b.system[0], b.system[1:], true
			switch m.(type) {
			case *protoactor.SuspendMailbox:
				b.suspended = true
			case *protoactor.ResumeMailbox:
				b.suspended = false
			}
		case len(b.user) > 0 && !b.suspended:
			m = b.user[0]
			b.user[0] = nil
			b.user = b.user[1:]
		default:
			b.running = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		if !isSystem {
			b.waiting.Add(-1)
			<-b.room
		}
		b.hand(m, isSystem)
	}
}

func (b *propsMailbox) hand(m any, isSystem bool) {
	defer func() {
		if reason := recover(); reason != nil {
			b.invoker.EscalateFailure(reason, m)
		}
	}()
	if isSystem {
		switch m.(type) {
		case *protoactor.SuspendMailbox, *protoactor.ResumeMailbox:
		default:
			b.invoker.InvokeSystemMessage(m)
		}
		return
	}
	b.invoker.InvokeUserMessage(m)
}
