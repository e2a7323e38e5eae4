package remote

import (
	protoactor "github.com/asynkron/protoactor-go/actor"
)

// A watchKey is one watch by a process of ours over one of a peer.
type watchKey struct{ watcher, watchee string }

// watch notes that a process here wants to hear of the end of one there.
func (p *peer) watch(watcher, watchee string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watches == nil {
		p.watches = map[watchKey]struct{}{}
	}
	p.watches[watchKey{watcher, watchee}] = struct{}{}
}

// unwatch forgets a watch and reports whether there was one.
func (p *peer) unwatch(watcher, watchee string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := watchKey{watcher, watchee}
	_, ok := p.watches[key]
	delete(p.watches, key)
	return ok
}

// endWatches tells the watchers, whose watches are out of the book already.
func (p *peer) endWatches(watches map[watchKey]struct{}) {
	for w := range watches {
		p.e.terminated(w.watcher, protoactor.NewPID(p.address, w.watchee))
	}
}

// terminated tells a local watcher that it will hear no more of who.
func (e *Endpoint) terminated(watcher string, who *protoactor.PID) {
	process, ok := e.system.ProcessRegistry.GetLocal(watcher)
	if !ok {
		return
	}
	process.SendSystemMessage(protoactor.NewPID(e.cfg.Address, watcher), &protoactor.Terminated{
		Who: protoactor.NewPID(who.Address, who.Id), Why: protoactor.TerminatedReason_AddressTerminated,
	})
}
