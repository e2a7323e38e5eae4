package tlaunch

import (
	"errors"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// ledger is what a run's launcher knows of each node and each host's process,
// and of all that went wrong. It is safe for concurrent use.
type ledger struct {
	run, program string
	lines        *lastLines
	started      time.Time

	mu       sync.Mutex
	nodes    []*NodeReport // in the order of the program
	byKey    map[string]*NodeReport
	hosts    []*HostReport // none in a run in one process
	failures []failure     // as they were heard of
	ended    time.Time
}

func newLedger(run, program string, g *graph, lines *lastLines) *ledger {
	l := &ledger{run: run, program: program, lines: lines, started: time.Now(), byKey: map[string]*NodeReport{}}
	for _, n := range g.nodes {
		r := &NodeReport{Node: n.key, process: n.process, Host: n.host, State: StateWaiting}
		if n.name != n.key {
			r.Name = n.name
		}
		l.nodes = append(l.nodes, r)
		l.byKey[n.key] = r
	}
	return l
}

// addHosts makes entries for hosts that have processes of their own.
func (l *ledger) addHosts(hosts []Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hosts {
		l.hosts = append(l.hosts, &HostReport{Host: h.Name, State: StateWaiting})
	}
}

// nodesStarted notes that a host's nodes were told to start.
func (l *ledger) nodesStarted(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, n := range l.nodes {
		if n.process == host && n.State == StateWaiting {
			n.State, n.Started = StateRunning, now
		}
	}
	if h := l.hostLocked(host); h != nil {
		h.State = StateRunning
	}
}

func (l *ledger) hostLocked(name string) *HostReport {
	for _, h := range l.hosts {
		if h.Host == name {
			return h
		}
	}
	return nil
}

// nodeEnded notes how a node's Start or Run ended; late is an end in the course of the run's.
func (l *ledger) nodeEnded(o outcome, late bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.byKey[o.node]
	if n == nil || n.State != StateRunning {
		return
	}
	n.Ended = time.Now()
	switch {
	case o.err == nil && late:
		n.State = StateStopped
	case o.err == nil:
		n.State = StateEnded
	case late && !isPanic(o.err):
		// It was told to stop, and most return that as an error. What else they return is worth a line.
		n.State = StateStopped
		if nodeBlame(o.err) == blameOwn {
			n.Ending = endingOf(o, false)
		}
	default:
		n.State, n.Ending = StateFailed, endingOf(o, false)
	}
}

// nodeRestarts notes that a node which failed is started again.
func (l *ledger) nodeRestarts(node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.byKey[node]; n != nil {
		n.Restarts++
		l.lines.anew(speaker{n.Host, n.shown()})
	}
}

// hostRestarts notes that a host is started again, with some of its nodes.
func (l *ledger) hostRestarts(host string, nodes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hostLocked(host); h != nil {
		h.State, h.Ending = StateWaiting, Ending{}
		l.lines.anew(speaker{h.Host, ""})
	}
	for _, key := range nodes {
		n := l.byKey[key]
		n.Restarts++
		l.lines.anew(speaker{n.Host, n.shown()})
		if n.State == StateLost { // and not one whose Run has returned
			n.State, n.Ending, n.Ended = StateWaiting, Ending{}, time.Time{}
		}
	}
}

// hostStaysAway notes that a host which was to be started again will not be.
func (l *ledger) hostStaysAway(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hostLocked(host); h != nil {
		h.State, h.Ending = StateFailed, Ending{How: HowLost, Status: -1}
	}
	for _, n := range l.nodes {
		if n.process == host && n.State == StateWaiting {
			n.State, n.Ending, n.Ended = StateLost, Ending{How: HowLost, Status: -1}, time.Now()
		}
	}
}

// processEnded notes the end of a host's process, and with it of the nodes
// that still lived: told says that it had heard of the run's end, orderly that
// it has ended all its nodes, killed that the notice was over.
func (l *ledger) processEnded(host string, exit bootstrap.Exit, told, orderly, killed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hostLocked(host)
	switch {
	case h == nil || h.State != StateRunning:
		return // it has never got so far as to have nodes
	case told && orderly:
		h.State = StateEnded
	case killed:
		h.State, h.Ending = StateKilled, Ending{How: HowKilled, Status: exit.Code, Reason: "it had not ended when the notice was over"}
	default:
		h.State, h.Ending = StateFailed, exitOf(exit)
	}
	now := time.Now()
	for _, n := range l.nodes {
		if n.process != host || n.State != StateRunning {
			continue
		}
		n.Ended = now
		switch h.State {
		case StateEnded:
			n.State = StateStopped
		case StateKilled:
			n.State, n.Ending = StateKilled, Ending{How: HowKilled}
		default:
			n.State, n.Ending = StateLost, h.Ending
		}
	}
}

// note records a failure.
func (l *ledger) note(f failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, f)
	n := l.byKey[f.node]
	var e *NodeError
	if n == nil || !errors.As(f.err, &e) || f.blame < blameLate {
		return
	}
	// A failure in the course of the end is the node's last word, unless it had failed before.
	switch killed := errors.Is(f.err, ErrKilled); {
	case n.State == StateFailed || n.State == StateLost:
	case killed:
		n.State, n.Ending = StateKilled, endingOf(outcome{e.Node, e.Host, e.Phase, e.Err}, true)
	default:
		n.State, n.Ending = StateFailed, endingOf(outcome{e.Node, e.Host, e.Phase, e.Err}, false)
	}
}

// failure is the error of the first cause, or nil.
func (l *ledger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := firstCause(l.failures); i >= 0 {
		return l.failures[i].err
	}
	return nil
}

// close notes that nothing is left of the run.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = time.Now()
	for _, h := range l.hosts {
		if h.State == StateWaiting { // to be started again
			h.State = StateFailed
		}
	}
	for _, n := range l.nodes {
		switch {
		case n.State == StateRunning:
			n.State, n.Ended = StateStopped, l.ended
		case n.State == StateWaiting && !n.Started.IsZero(): // its host was to be started again
			n.State, n.Ended = StateLost, l.ended
		}
	}
}

// report makes a report of what is known at now.
func (l *ledger) report(now time.Time) Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Report{Run: l.run, Program: l.program, Over: !l.ended.IsZero(), Started: l.started, Ended: l.ended}
	for _, h := range l.hosts {
		one := *h
		one.Last = l.lines.of(speaker{h.Host, ""})
		r.Hosts = append(r.Hosts, one)
	}
	for _, n := range l.nodes {
		one := *n
		one.Last = l.lines.of(speaker{n.Host, n.shown()})
		r.Nodes = append(r.Nodes, one)
	}
	r.settle(l.failures)
	return r
}

// shown is the name by which people know the node.
func (n NodeReport) shown() string {
	if n.Name != "" {
		return n.Name
	}
	return n.Node
}

// settle finds the first cause, and what followed from it.
func (r *Report) settle(failures []failure) {
	i := firstCause(failures)
	if i < 0 {
		return
	}
	first := failures[i]
	c := &Cause{Node: first.node, Host: hostOf(first.host), Ending: Ending{How: HowError, Reason: first.err.Error()}, Limits: limitsOf(first.err)}
	r.FirstCause = c
	nodes, hosts := map[string]blame{}, map[string]blame{} // of those that failed, for what first
	for _, f := range failures {
		switch {
		case f.node != "" && nodes[f.node] == 0:
			nodes[f.node] = f.blame
		case f.node == "" && hosts[f.host] == 0:
			hosts[f.host] = f.blame
		}
	}
	for _, h := range r.Hosts {
		if first.node != "" || h.Host != first.host {
			continue
		}
		c.Last = h.Last
		if h.Ending.How != "" {
			c.Ending = h.Ending
		}
		if first.blame == blameSilent {
			c.Ending.Reason = "it had not answered since before the end, and the notice was over"
		}
	}
	for k := range r.Nodes {
		n := &r.Nodes[k]
		failed, process := nodes[n.Node], hosts[n.process]
		down := n.State == StateLost || n.State == StateKilled && failed == 0
		switch {
		case n.Node == first.node:
			c.Name, c.Ending, c.Last = n.Name, n.Ending, n.Last
		case down && n.process == first.host && first.node == "":
			n.Consequence = true
			c.Lost = append(c.Lost, n.Node)
		case failed == blameBereft, down && process == blameExit && first.blame == blameDeath:
			n.Consequence = true
			c.Consequences = append(c.Consequences, n.Node)
		case failed != 0, down:
			c.Also = append(c.Also, n.Node)
		}
	}
}
