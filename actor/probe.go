package actor

import (
	"fmt"
	"strings"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// Deadlocks across separate chains: while a method waits long, its system
// sends a probe to the node it waits for; a node all of whose turns are taken
// by methods that wait passes it on to the nodes these wait for. A probe that
// reaches the invocation it set out from has found a cycle. The call fails
// when that has happened twice, for an edge may have gone while the probe
// travelled. (Chandy, Misra, Haas: Distributed Deadlock Detection, ACM TOCS
// 1983, the OR model restricted to nodes with one turn.)

// maxPath bounds how far a probe travels.
const maxPath = 16

// probe asks whether c, for which inv waits, waits for inv.
func (s *System) probe(inv *invocation, c *call) {
	c.mu.Lock()
	if c.settled {
		c.mu.Unlock()
		return
	}
	if c.address == "" { // a call that was not sent becomes known when it is first probed
		s.rememberLocked(c)
	}
	id := c.id
	c.mu.Unlock()
	c.probing.Store(true)
	s.forward(c.target, &wire.Probe{Origin: inv.link(), Call: id, Path: []string{inv.node.key}})
}

// forward sends a probe to the node of t.
func (s *System) forward(t *target, p *wire.Probe) {
	p = &wire.Probe{Origin: p.Origin, Call: p.Call, Path: append(p.Path[:len(p.Path):len(p.Path)], t.key)}
	if n := s.local(t); n != nil {
		n.probed(p)
		return
	}
	if address, err := s.locate(t.key); err == nil {
		s.control(address, p)
	}
}

// probed handles a probe from another process: the last name of its path is
// the node here that it is for.
func (s *System) probed(p *wire.Probe) {
	if p.Origin == nil || len(p.Path) == 0 {
		return
	}
	s.mu.Lock()
	n := s.nodes[p.Path[len(p.Path)-1]]
	s.mu.Unlock()
	if n != nil {
		n.probed(p)
	}
}

func (n *Node) probed(p *wire.Probe) {
	n.mu.Lock()
	full := n.takenLocked()
	origin := n.key == p.Origin.Node && n.runsLocked(p.Origin.Invocation)
	var only *invocation
	if full {
		for _, w := range n.active {
			only = w.running()
			full = full && only != nil && len(only.waitsFor()) > 0 // a turn that works will be free again
		}
		if len(n.active) > 1 {
			only = nil
		}
	}
	n.mu.Unlock()
	switch {
	case !full:
	case origin:
		n.sys.probeHit(&wire.ProbeHit{Call: p.Call, Path: p.Path})
	case only != nil && len(p.Path) < maxPath:
		for _, c := range only.waitsFor() {
			n.sys.forward(c.target, p)
		}
	}
}

// rememberLocked makes c known to its system under an id. c.mu is held.
func (s *System) rememberLocked(c *call) {
	if c.id == 0 {
		c.id = s.nextID()
	}
	s.mu.Lock()
	s.pending[c.id] = c
	s.mu.Unlock()
}

// probeHit is told that the probe of one of this system's calls came back.
func (s *System) probeHit(m *wire.ProbeHit) {
	s.mu.Lock()
	c := s.pending[m.Call]
	s.mu.Unlock()
	if c == nil || !c.probing.Swap(false) || c.hits.Add(1) < 2 || c.over() {
		return
	}
	s.stats.deadlocks.Add(1)
	c.abandon(c.failure(fmt.Errorf("%w: each waits for the next: %s", ErrDeadlock, strings.Join(m.Path, " → "))))
}
