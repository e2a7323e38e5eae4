package remote

import (
	"errors"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/protobuf/proto"
)

// away stands in the actor system for every process that lives at another address. It never blocks.
type away struct{ e *Endpoint }

var _ protoactor.Process = away{}

// SendUserMessage queues a message of a raw Proto.Actor process. What cannot be queued becomes a dead letter, which
// answers a sender.
func (a away) SendUserMessage(to *protoactor.PID, message any) {
	header, m, from := protoactor.UnwrapEnvelope(message)
	lane := dataLane
	if _, ok := m.(*protoactor.DeadLetterResponse); ok {
		lane = urgentLane
	}
	var fields map[string]string
	if header != nil && header.Length() > 0 {
		fields = header.ToMap()
	}
	if reason := a.post(lane, to, from, fields, m); reason != "" {
		p := a.e.peer(to.Address)
		defer p.release()
		a.e.dropped(p, reason, 1)
		a.e.system.EventStream.Publish(&protoactor.DeadLetterEvent{PID: to, Message: m, Sender: from})
	}
}

// SendSystemMessage forwards what has a protobuf form and keeps the book of watches.
func (a away) SendSystemMessage(to *protoactor.PID, message any) {
	p := a.e.peer(to.Address)
	defer p.release()
	switch m := message.(type) {
	case *protoactor.Watch:
		watcher := a.e.ours(m.Watcher)
		p.watch(watcher.Id, to.Id)
		if reason := a.post(urgentLane, to, nil, nil, &protoactor.Watch{Watcher: watcher}); reason != "" {
			a.e.dropped(p, reason, 1)
			if p.unwatch(watcher.Id, to.Id) {
				a.e.terminated(watcher.Id, to)
			}
		}
		return
	case *protoactor.Unwatch:
		watcher := a.e.ours(m.Watcher)
		p.unwatch(watcher.Id, to.Id)
		message = &protoactor.Unwatch{Watcher: watcher}
	case *protoactor.Terminated:
		message = &protoactor.Terminated{Who: a.e.ours(m.Who), Why: m.Why}
	}
	if reason := a.post(urgentLane, to, nil, nil, message); reason != "" {
		a.e.dropped(p, reason, 1)
	}
}

// Stop asks the process to stop.
func (a away) Stop(to *protoactor.PID) { a.SendSystemMessage(to, &protoactor.Stop{}) }

func (a away) post(lane int, to, from *protoactor.PID, header map[string]string, message any) Reason {
	if s, ok := message.(pb.RootSerializable); ok {
		v, err := s.Serialize()
		if err != nil {
			return BadPayload
		}
		message = v
	}
	m, ok := message.(proto.Message)
	if !ok {
		return NotProto
	}
	it, err := newItem(to, a.e.ours(from), header, m, a.e.cfg.MaxMessage)
	switch {
	case errors.Is(err, ErrTooLarge):
		return TooLarge
	case err != nil:
		return BadPayload
	}
	switch err := a.e.postNow(lane, to.Address, it); {
	case errors.Is(err, ErrFull):
		return QueueFull
	case err != nil:
		return LinkLost
	}
	return ""
}

// ours gives a PID that was made before the system had an address the one it has now.
func (e *Endpoint) ours(pid *protoactor.PID) *protoactor.PID {
	if pid == nil || pid.Address != unsetAddress {
		return pid
	}
	return &protoactor.PID{Address: e.cfg.Address, Id: pid.Id, RequestId: pid.RequestId}
}
