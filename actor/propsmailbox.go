package actor

import (
	"sync"
	"sync/atomic"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// propsMailbox is a bounded mailbox for Proto.Actor's own actors.
type propsMailbox struct {
	sys        *System
	key        string
	room       chan struct{} // one token per user message in the mailbox
	gone       chan struct{} // closed when the actor has stopped
	invoker    protoactor.MessageInvoker
	dispatcher protoactor.Dispatcher
	waiting    atomic.Int64 // user messages in the mailbox
	stuck      atomic.Bool  // a link waited in vain and no message was taken since

	mu        sync.Mutex
	system    []any
	user      []any
	suspended bool
	running   bool
	released  bool // the actor may begin
	stopped   bool
}

func newPropsMailbox(s *System, key string, capacity int) *propsMailbox {
	return &propsMailbox{sys: s, key: key, room: make(chan struct{}, capacity), gone: make(chan struct{})}
}

var _ protoactor.Mailbox = (*propsMailbox)(nil)

func (b *propsMailbox) RegisterHandlers(i protoactor.MessageInvoker, d protoactor.Dispatcher) {
	b.invoker, b.dispatcher = i, d
}

func (b *propsMailbox) Start() {}

func (b *propsMailbox) UserMessageCount() int { return int(b.waiting.Load()) }

func (b *propsMailbox) PostUserMessage(m any) {
	if !b.enter(m) {
		b.refuse(m)
		return
	}
	b.mu.Lock()
	if b.stopped {
		b.mu.Unlock()
		b.refuse(m)
		return
	}
	b.waiting.Add(1)
	b.user = append(b.user, m)
	b.scheduleLocked()
	b.mu.Unlock()
}

// enter waits for room for m and reports whether there is.
func (b *propsMailbox) enter(m any) bool {
	select {
	case b.room <- struct{}{}:
		return true
	default:
	}
	patience := plainPatience
	if isForeign(b.sys, m) {
		patience = foreignPatience
		if b.stuck.Load() {
			return false
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case b.room <- struct{}{}:
		return true
	case <-timer.C:
		b.stuck.Store(true)
	case <-b.gone:
	case <-b.sys.ctx.Done():
	}
	return false
}

func (b *propsMailbox) refuse(m any) {
	_, content, sender := protoactor.UnwrapEnvelope(m)
	b.sys.actors.EventStream.Publish(&protoactor.DeadLetterEvent{PID: b.sys.actors.NewLocalPID(b.key), Message: content, Sender: sender})
}

func (b *propsMailbox) release() {
	b.mu.Lock()
	b.released = true
	b.scheduleLocked()
	b.mu.Unlock()
}

func (b *propsMailbox) PostSystemMessage(m any) {
	b.mu.Lock()
	b.system = append(b.system, m)
	b.scheduleLocked()
	b.mu.Unlock()
}

func (b *propsMailbox) scheduleLocked() {
	if b.released && !b.running && (len(b.system) > 0 || len(b.user) > 0 && !b.suspended) {
		b.running = true
		b.dispatcher.Schedule(b.run)
	}
}

// run hands messages to the actor until there are none, system messages first.
func (b *propsMailbox) run() {
	for {
		b.mu.Lock()
		switch {
		case len(b.system) > 0:
			m := b.system[0]
			b.system = b.system[1:]
			switch m.(type) {
			case *protoactor.SuspendMailbox:
				b.suspended = true
			case *protoactor.ResumeMailbox:
				b.suspended = false
			}
			b.mu.Unlock()
			b.handSystem(m)
		case len(b.user) > 0 && !b.suspended:
			m := b.user[0]
			b.user[0] = nil
			b.user = b.user[1:]
			b.mu.Unlock()
			b.waiting.Add(-1)
			<-b.room
			b.stuck.Store(false)
			b.hand(m, b.invoker.InvokeUserMessage)
		default:
			b.running = false
			b.mu.Unlock()
			return
		}
	}
}

// handSystem hands over a system message; only those can stop an actor, which
// is then no longer in the registry.
func (b *propsMailbox) handSystem(m any) {
	switch m.(type) {
	case *protoactor.SuspendMailbox, *protoactor.ResumeMailbox:
		return
	}
	b.hand(m, b.invoker.InvokeSystemMessage)
	if _, there := b.sys.actors.ProcessRegistry.GetLocal(b.key); there {
		return
	}
	b.mu.Lock()
	if b.stopped {
		b.mu.Unlock()
		return
	}
	b.stopped = true
	left := b.user
	b.user = nil
	close(b.gone)
	b.mu.Unlock()
	for _, m := range left {
		b.waiting.Add(-1)
		b.refuse(m)
	}
}

func (b *propsMailbox) hand(m any, invoke func(any)) {
	defer func() {
		if reason := recover(); reason != nil {
			b.invoker.EscalateFailure(reason, m)
		}
	}()
	invoke(m)
}
