package tlaunch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
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
	was := r.troubles.failed(o.node, time.Since(r.started), rand.Float64())
	why = r.troubles.blame(was, why)
	stopping, active := r.stopping, r.active[o.node]
	if was.action != actRestart {
		delete(r.active, o.node)
	}
	last := active && len(r.active) == 0
	r.mu.Unlock()
	if was.action == actRestart && !stopping {
		r.logger.Warn(fmt.Sprintf("node %s on %s failed; starting it again in %v (%s)", o.node, o.host, round(was.pause), r.often(o.node, was)), "error", brief(err))
		r.ledger.nodeRestarts(o.node)
		r.engine.restart(o.node, o.host, was.pause)
		return
	}
	r.ledger.nodeEnded(o, false)
	switch {
	case was.action == actStop:
		r.fail(why)
	case was.action == actGoOn && !stopping:
		r.logger.Warn(fmt.Sprintf("node %s on %s failed; going on without it (%d are left, at least %d must be)", o.node, o.host, was.left, r.graph.byKey[o.node].policy.least), "error", brief(err))
		r.engine.giveUp(o.node, o.host)
		if last {
			r.beginEnd(true)
		}
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
func (t *troubles) blame(was remedy, f failure) failure {
	p, label := t.policies[f.node], t.labels[f.node]
	if was.spent {
		f.err = &RestartError{Node: f.node, Times: was.count, Within: p.restarts.Within, Err: f.err}
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

// brief is an error without the stack that its own text may end with.
func brief(err error) string {
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
