package remote

import (
	"log/slog"
	"runtime/debug"
	"strings"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
)

// deliverBatch gives each sound envelope of b to its process, and returns how many bytes the others have. It is called by the reader of one
// link at a time.
func (e *Endpoint) deliverBatch(p *peer, b *pb.MessageBatch) (rubbish int) {
	p.receivedMessages.Add(uint64(len(b.GetEnvelopes())))
	for i := range b.GetEnvelopes() {
		d, reason := open(b, i, p.address, e.cfg.Address)
		if reason == "" {
			reason = e.deliver(p, d)
		}
		if reason != "" {
			e.dropped(p, reason, 1)
		}
		if reason.meaningless() {
			rubbish += envelopeCost + len(b.Envelopes[i].GetMessageData()) // to find out costs something also where it is empty
		}
	}
	return rubbish
}

// deliver gives one message to its process, whose panic is its own affair.
func (e *Endpoint) deliver(p *peer, d delivery) (reason Reason) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked(p, d.target.Id, v)
			reason = Panicked
		}
	}()
	// Looked up anew each time: an unknown id gives the system's dead letters, which answer senders and watchers.
	process, found := e.system.ProcessRegistry.GetLocal(d.target.Id)
	switch m := d.message.(type) {
	case *protoactor.Terminated:
		if m.Who == nil || m.Who.Id == "" {
			return BadSystem
		}
		if !p.unwatch(d.target.Id, m.Who.Id) {
			return Unwatched
		}
		process.SendSystemMessage(d.target, &protoactor.Terminated{
			Who: protoactor.NewPID(p.address, m.Who.Id), Why: m.Why,
		})
	case *protoactor.Watch:
		watcher, ok := foreign(p, m.Watcher)
		if !ok || oneShot(d.target.Id) {
			return BadSystem
		}
		process.SendSystemMessage(d.target, &protoactor.Watch{Watcher: watcher})
	case *protoactor.Unwatch:
		watcher, ok := foreign(p, m.Watcher)
		if !ok || oneShot(d.target.Id) {
			return BadSystem
		}
		process.SendSystemMessage(d.target, &protoactor.Unwatch{Watcher: watcher})
	case protoactor.SystemMessage: // Stop is the only other one with a protobuf form
		if oneShot(d.target.Id) {
			return BadSystem
		}
		process.SendSystemMessage(d.target, m)
	default:
		process.SendUserMessage(d.target, &protoactor.MessageEnvelope{Header: d.header, Message: m, Sender: d.sender})
	}
	if !found {
		return NoProcess
	}
	return ""
}

func (e *Endpoint) panicked(p *peer, process string, v any) {
	e.log.Error("a process panicked on a message of a peer", "process", process, "peer", p.address, "panic", v, "stack", string(debug.Stack()))
}

// foreign checks that a watcher lives in the peer's process: nobody watches in the name of another.
func foreign(p *peer, watcher *protoactor.PID) (*protoactor.PID, bool) {
	if watcher == nil || watcher.Id == "" {
		return nil, false
	}
	address, ok := senderAddress(watcher.Address, p.address)
	if !ok || (p.address != "" && address != p.address) {
		return nil, false
	}
	return protoactor.NewPID(address, watcher.Id), true
}

// oneShot reports the id of a future, which any system message would complete.
func oneShot(id string) bool { return strings.HasPrefix(id, "future$") }

// dropped counts messages that go nowhere, and says so once for each peer and interval.
func (e *Endpoint) dropped(p *peer, reason Reason, n int) {
	if n == 0 {
		return
	}
	p.drops.add(reason, n)
	if e.sayOnce(p.address, reason) {
		e.log.Warn("messages dropped", slog.String("peer", p.address), slog.String("reason", string(reason)))
	}
}
