package cluster

import (
	"fmt"
	"math"
)

// A roll is the state of one run in the embedded registry. It is pure: no
// lock, no clock, no goroutine.
type roll struct {
	entries map[string]rollEntry // by host
	// floor is the lowest incarnation that a host may register. Registering
	// raises it to the incarnation, deregistering to one above.
	floor       map[string]uint64
	description []byte
	describer   *session // who described; meaningful while description is not nil
}

// A rollEntry is a member and the connection it was registered over, nil for
// one that was registered in the launcher itself.
type rollEntry struct {
	Member
	owner *session
}

// maxHosts bounds the hosts that one run has ever had.
const maxHosts = 4 * MaxMembers

func newRoll() *roll {
	return &roll{entries: make(map[string]rollEntry), floor: make(map[string]uint64)}
}

// register enters m and reports whether the list of members changed. An entry
// that is registered again belongs to the new owner, so that the late end of
// an old connection does not remove it.
func (r *roll) register(m Member, owner *session) (changed bool, err error) {
	if floor := r.floor[m.Host]; m.Incarnation < floor {
		return false, fencedError(m, floor)
	}
	old, found := r.entries[m.Host]
	if !found && len(r.entries) >= MaxMembers {
		return false, fmt.Errorf("%w: run %s has %d members", ErrFull, m.Run, MaxMembers)
	}
	if err := r.roomForFloor(m.Host); err != nil {
		return false, err
	}
	r.entries[m.Host] = rollEntry{m.Clone(), owner}
	r.floor[m.Host] = m.Incarnation
	return !found || !old.Equal(m), nil
}

// deregister bars the host's incarnations up to the one given and removes an
// entry among them.
func (r *roll) deregister(host string, incarnation uint64) (removed bool, err error) {
	if err := r.roomForFloor(host); err != nil {
		return false, err
	}
	r.floor[host] = max(r.floor[host], above(incarnation))
	if e, found := r.entries[host]; found && e.Incarnation <= incarnation {
		delete(r.entries, host)
		return true, nil
	}
	return false, nil
}

// roomForFloor bounds how many hosts are remembered, for they never leave.
func (r *roll) roomForFloor(host string) error {
	if _, known := r.floor[host]; !known && len(r.floor) >= maxHosts {
		return fmt.Errorf("%w: the run has had %d hosts, %s would be one more", ErrFull, maxHosts, host)
	}
	return nil
}

// drop removes what the owner registered and described, and returns the
// members. Their incarnations may register again: a connection that broke
// says nothing about the process behind it.
func (r *roll) drop(owner *session) []Member {
	var gone []Member
	for host, e := range r.entries {
		if e.owner == owner {
			gone = append(gone, e.Member)
			delete(r.entries, host)
		}
	}
	if r.describer == owner {
		r.description, r.describer = nil, nil
	}
	sortMembers(gone)
	return gone
}

func (r *roll) members() []Member {
	out := make([]Member, 0, len(r.entries))
	for _, e := range r.entries {
		out = append(out, e.Clone())
	}
	sortMembers(out)
	return out
}

// above returns the next incarnation. The highest has none above it.
func above(incarnation uint64) uint64 {
	if incarnation == math.MaxUint64 {
		return incarnation
	}
	return incarnation + 1
}

func fencedError(m Member, floor uint64) error {
	return fmt.Errorf("%w: host %s of run %s may register from incarnation %d on, not %d: this process was replaced or declared dead, end it",
		ErrFenced, m.Host, m.Run, floor, m.Incarnation)
}
