package remote

import (
	"fmt"
)

// fences are the processes that are gone for good: by address, and by the
// name in their certificates up to an incarnation.
type fences struct {
	addresses map[string]struct{}
	names     map[string]uint64
}

// Fence says that the process at an address is gone for good, and with it every host or launcher called name whose
// incarnation is not above the one given. Links to them end at once, what waits for one and later Sends to the address
// fail with ErrGone, and from now on such processes are refused, should one be alive after all. No later process can
// have the address. An empty address stands for none.
func (e *Endpoint) Fence(name, address string, incarnation uint64) {
	e.mu.Lock()
	if e.fenced.names == nil {
		e.fenced = fences{map[string]struct{}{}, map[string]uint64{}}
	}
	e.fenced.names[name] = max(e.fenced.names[name], incarnation)
	if address != "" {
		e.fenced.addresses[address] = struct{}{}
	}
	var ends []*link
	for l := range e.links {
		if e.isGoneLocked(l.p.address, l.member) {
			ends = append(ends, l)
		}
	}
	p := e.peers[address]
	if p != nil {
		p.users.Add(1)
	}
	e.mu.Unlock()
	for _, l := range ends {
		l.finish(ErrGone)
	}
	if p != nil {
		p.giveUp()
		p.release()
	}
}

// isGone tells whether a process was declared gone.
func (e *Endpoint) isGone(address string, member *Identity) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.isGoneLocked(address, member)
}

func (e *Endpoint) isGoneLocked(address string, member *Identity) bool {
	if _, ok := e.fenced.addresses[address]; ok {
		return true
	}
	if member == nil || member.Role == RoleGuest {
		return false
	}
	last, ok := e.fenced.names[member.Name]
	return ok && member.Incarnation <= last
}

// giveUp ends the attempt to reach a peer that is gone, with all that waits for it.
func (p *peer) giveUp() {
	p.mu.Lock()
	a := p.attempt
	p.attempt = nil
	stranded := p.pending
	p.pending, p.pendingBytes = nil, 0
	watches := p.watches
	p.watches = nil
	if a != nil {
		a.err = unreachable(p.address, ErrGone)
		close(a.done)
	}
	p.mu.Unlock()
	for _, w := range stranded {
		p.e.strand(p, w.it)
	}
	p.endWatches(watches)
}

// admits refuses a member at an address that was declared gone.
func (e *Endpoint) admits(address string, member *Identity) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.admitsLocked(address, member)
}

func (e *Endpoint) admitsLocked(address string, member *Identity) error {
	if !e.isGoneLocked(address, member) {
		return nil
	}
	who := address
	if member != nil {
		who = member.String()
	}
	return fmt.Errorf("%w: %s was declared gone: %w", ErrRefused, who, ErrGone)
}
