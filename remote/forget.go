package remote

import (
	"maps"
	"time"
)

// idlePeers is how many addresses are remembered, at least, before idle ones are forgotten.
const idlePeers = 1024

// peer returns the record of an address. The caller releases it.
func (e *Endpoint) peer(address string) *peer {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.peers[address]
	if p == nil {
		if len(e.peers) >= e.crowd {
			now := time.Now()
			maps.DeleteFunc(e.peers, func(_ string, p *peer) bool {
				forget := p.forgettable(now)
				if forget {
					e.forgotten.sum(&p.traffic)
				}
				return forget
			})
			e.crowd = max(idlePeers, 2*len(e.peers)) // so that looking through them costs little for each new one
		}
		p = &peer{e: e, address: address}
		e.peers[address] = p
	}
	p.users.Add(1)
	return p
}

// release says that a record from Endpoint.peer is not needed any more.
func (p *peer) release() { p.users.Add(-1) }

// forgettable reports whether nothing would be missed but counters. The caller holds Endpoint.mu, against which locks
// are taken in the other order: a record that is in use is taken as it stands.
func (p *peer) forgettable(now time.Time) bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	if p.users.Load() > 0 || len(p.links) > 0 || p.attempt != nil || len(p.watches) > 0 || now.Before(p.notBefore) {
		return false
	}
	// A route takes hold of the record without Endpoint.mu, and then looks whether it is gone.
	p.gone.Store(true)
	if p.users.Load() > 0 {
		p.gone.Store(false)
		return false
	}
	return true
}
