package tlaunch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// How a run does what its nodes' policies say of their failures.

// nodeFailed takes the failure of a node whose process lives, and had not
// heard of the run's end.
func (r *Run) nodeFailed(o outcome) {
	err := newNodeError(o)
	why := failure{nodeBlame(o.err), o.host, o.node, err}
	if o.phase == "stop" { // it could not be stopped, so nothing can take its place
		r.ledger.nodeEnded(o, false)
		r.fail(why)
		return
	}
	r.mu.Lock()
	if r.troubles.lost[o.node] {
		r.mu.Unlock()
		return
	}
	var was remedy
	if errors.Is(o.err, actor.ErrFinal) {
		was = r.troubles.loses(o.node)
	} else {
		was = r.troubles.failed(o.node, time.Since(r.started), rand.Float64())
	}
	why = r.troubles.blame(o.node, was, why)
	stopping := r.stopping
	if was.action != actRestart {
		delete(r.active, o.node)
	}
	r.mu.Unlock()
	if was.action == actRestart && !stopping {
		r.logger.Warn(fmt.Sprintf("node %s on %s failed; starting it again in %v (%s)", o.node, hostOf(o.host), round(was.pause), r.often(o.node, was)), "error", brief(err))
		r.ledger.nodeRestarts(o.node)
		r.engine.restart(o.node, o.host, was.pause)
		return
	}
	r.ledger.nodeEnded(o, false)
	switch {
	case was.action == actStop:
		r.fail(why)
	case was.action == actGoOn && !stopping:
		r.logger.Warn(fmt.Sprintf("node %s on %s failed; going on without it (%d are left, at least %d must be)", o.node, hostOf(o.host), was.left, r.graph.byKey[o.node].policy.least), "error", brief(err))
		r.engine.giveUp(o.node, o.host)
		r.endIfIdle()
	}
}

// often says which restart of how many this is.
func (r *Run) often(node string, was remedy) string {
	p := r.graph.byKey[node].policy.restarts
	if p.Max < 0 {
		return fmt.Sprintf("%s within %v", times(was.count), p.Within)
	}
	return fmt.Sprintf("%d of %d within %v", was.count, p.Max, p.Within)
}

// blame is what a failure is reported as where no policy makes it good. Of a
// group, it is the first failure's that all are put down to.
func (t *troubles) blame(node string, was remedy, f failure) failure {
	p, label := t.policies[node], t.labels[node]
	if was.spent {
		f.err = &RestartError{Node: node, Times: was.count, Within: p.restarts.Within, Err: f.err}
	}
	if !p.keep || was.action == actRestart {
		return f
	}
	first, ok := t.causes[label]
	if !ok {
		first = f
		t.causes[label] = f
	}
	first.err = &GroupError{Label: label, Left: was.left, Least: p.least, Size: t.sizes[label], Err: first.err}
	return first
}

// brief is an error without the stack, or the last lines of a process, that
// its own text may end with: a warning is one line, and these were shown.
func brief(err error) string {
	var p *ProcessError
	if errors.As(err, &p) && len(p.Exit.Last) > 0 {
		short := *p
		short.Exit.Last = nil
		return strings.Replace(err.Error(), p.Error(), short.Error(), 1)
	}
	var n *NodeError
	if errors.As(err, &n) && n.Stack != "" {
		short := *n
		short.Stack = ""
		return short.Error()
	}
	return err.Error()
}

// round keeps of a duration what people read.
func round(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// A hostRemedy is what the policies of a host's nodes say of the end of its process.
type hostRemedy struct {
	action  action
	pause   time.Duration
	within  time.Duration // how long a host that cannot be reached is tried again
	restart []string      // the nodes that are started again with it
}

// needs tells whether the run ends with a host, whatever else is left.
func (r *Run) needs(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.graph.on(host), func(n *node) bool {
		return !n.policy.restart && !n.policy.keep && !r.troubles.lost[n.key]
	})
}

// hostFailed takes the end of a host's process that was to go on. The run ends
// unless all of its nodes have policies that say otherwise.
func (r *Run) hostFailed(host string, why failure) hostRemedy {
	r.mu.Lock()
	if why.blame == blameLate {
		r.mu.Unlock()
		r.fail(why)
		return hostRemedy{}
	}
	at, random := time.Since(r.started), rand.Float64()
	all := hostRemedy{action: actGoOn}
	var most remedy
	var first string
	for _, n := range r.graph.on(host) {
		if r.troubles.lost[n.key] {
			continue
		}
		was := r.troubles.failed(n.key, at, random)
		blamed := r.troubles.blame(n.key, was, why)
		switch was.action {
		case actStop:
			r.mu.Unlock()
			r.fail(blamed)
			return hostRemedy{}
		case actRestart:
			all.action = actRestart
			all.restart = append(all.restart, n.key)
			all.pause, all.within = max(all.pause, was.pause), max(all.within, n.policy.restarts.Within)
			if was.count > most.count {
				most, first = was, n.key
			}
		case actGoOn:
			delete(r.active, n.key)
		}
	}
	stopping := r.stopping
	r.mu.Unlock()
	switch {
	case stopping:
		return hostRemedy{}
	case all.action == actRestart:
		r.logger.Warn(fmt.Sprintf("the process on %s ended; starting it again in %v (%s)", host, round(all.pause), r.often(first, most)), "error", brief(why.err))
		r.ledger.hostRestarts(host, all.restart)
	default:
		r.logger.Warn(fmt.Sprintf("the process on %s ended; going on without it", host), "error", brief(why.err))
	}
	return all
}

// hostUnreturned takes the end of all hope for a host, with the nodes that
// were to be started again there.
func (r *Run) hostUnreturned(nodes []string, why failure) action {
	r.mu.Lock()
	for _, key := range nodes {
		was := r.troubles.loses(key)
		blamed := r.troubles.blame(key, was, why)
		if was.action == actStop {
			r.mu.Unlock()
			r.fail(blamed)
			return actStop
		}
		delete(r.active, key)
	}
	r.mu.Unlock()
	r.logger.Warn("going on without host "+why.host, "error", brief(why.err))
	r.ledger.hostStaysAway(why.host)
	return actGoOn
}

// endIfIdle begins the end where the last node whose Run had not returned was lost.
func (r *Run) endIfIdle() {
	r.mu.Lock()
	idle := r.hadActive && len(r.active) == 0
	r.mu.Unlock()
	if idle {
		r.beginEnd(true)
	}
}

// standing is what a host's next process must know of its nodes: whose Run has
// returned nil, and which were given up.
func (r *Run) standing(host string) (done, lost []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.graph.on(host) {
		switch {
		case r.troubles.lost[n.key]:
			lost = append(lost, n.key)
		case n.active() && !r.active[n.key]:
			done = append(done, n.key)
		}
	}
	return done, lost
}
