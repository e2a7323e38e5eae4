package tlaunch

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Policy says what follows when a node fails: when its Start or Run returns
// an error or panics, or when its host's process ends. Policies are given to
// [OnFailure] and [Program.OnFailure]; without one a failure ends the run.
type Policy func(*policy)

// StopRun ends the run with the node's failure, as without a policy: for a
// node of a label whose others have another policy. It takes back what stands
// before it.
func StopRun() Policy { return func(p *policy) { *p = policy{} } }

// Restart starts the node again: the program is built anew, the node's value
// taken from it afresh, and its Start and Run are called. Refs to the node stay
// as they are. A Run that returns nil has come to its end and is not started
// again, nor is one that fails with an error which [actor.Final] has marked. Where a host's process ends, the host is started again once all of
// its nodes have a policy and one of them is Restart.
func Restart(r Restarts) Policy { return func(p *policy) { p.restart, p.restarts = true, r } }

// KeepAtLeast lets the run go on without the node for as long as k nodes of
// its label are left; nodes that are being started again count as left, and so
// do those whose Run has returned nil. Together with [Restart] the node is
// started again first, and given up when it was as often as Restarts allows.
// All nodes of a label that have it must have the same k.
func KeepAtLeast(k int) Policy { return func(p *policy) { p.keep, p.least = true, k } }

// Restarts bounds how often a node is started again, and how fast. Its zero
// value is five times a minute, after a tenth of a second and then ever later.
type Restarts struct {
	// Max is how often the node is started again within Within. One failure
	// more ends the run, or gives the node up where [KeepAtLeast] allows it.
	// Zero is 5, negative is without limit.
	Max int
	// Within is the period of Max, and how long a host that cannot be reached
	// is tried again; zero is a minute. A node that has not failed for as long
	// begins anew, also with Backoff.
	Within time.Duration
	// Backoff is the pause before the first restart; it doubles with every
	// further failure within Within. Of each pause a random half to all is
	// waited. Zero is 100 ms; negative is no pause.
	Backoff time.Duration
	// MaxBackoff is the longest pause. Zero is 5 s, or Backoff where that is more.
	MaxBackoff time.Duration
}

// policy is what the policies of a node add up to. Its zero value stops the run.
type policy struct {
	restart  bool
	restarts Restarts
	keep     bool
	least    int
}

func newPolicy(parts []Policy) policy {
	var p policy
	for _, part := range parts {
		part(&p)
	}
	if p.restart {
		p.restarts = p.restarts.withDefaults()
	}
	return p
}

func (r Restarts) withDefaults() Restarts {
	if r.Max == 0 {
		r.Max = 5
	}
	if r.Within == 0 {
		r.Within = time.Minute
	}
	if r.Backoff == 0 {
		r.Backoff = 100 * time.Millisecond
	}
	if r.MaxBackoff == 0 {
		r.MaxBackoff = max(5*time.Second, r.Backoff)
	}
	return r
}

// validate says what is wrong with a policy, or nothing.
func (p policy) validate() error {
	switch r := p.restarts; {
	case p.restart && (r.Within < 0 || r.MaxBackoff < 0):
		return fmt.Errorf("Restarts.Within and MaxBackoff must not be negative; zero is the default")
	case p.restart && r.MaxBackoff < r.Backoff:
		return fmt.Errorf("Restarts.MaxBackoff (%v) is less than Backoff (%v)", r.MaxBackoff, r.Backoff)
	case p.keep && p.least < 0:
		return fmt.Errorf("KeepAtLeast(%d): it cannot be less than zero", p.least)
	}
	return nil
}

// String is the policy in the summary of a graph; empty for the default.
func (p policy) String() string {
	var parts []string
	if p.restart {
		r := p.restarts
		often := "without limit"
		if r.Max >= 0 {
			often = fmt.Sprintf("%d times", r.Max)
		}
		parts = append(parts, fmt.Sprintf("restart %s within %v, %v to %v apart", often, r.Within, max(r.Backoff, 0), r.MaxBackoff))
	}
	if p.keep {
		parts = append(parts, fmt.Sprintf("keep at least %d", p.least))
	}
	return strings.Join(parts, ", ")
}

// pause is how long to wait before the nth restart in a row, from 1. Random is from 0 up to 1.
func (r Restarts) pause(n int, random float64) time.Duration {
	d := max(r.Backoff, 0)
	for range n - 1 {
		if d *= 2; d >= r.MaxBackoff {
			d = r.MaxBackoff
			break
		}
	}
	return d/2 + time.Duration(random*float64(d-d/2))
}

// action is what is to be done about a failure.
type action uint8

const (
	actStop    action = iota // the run ends
	actRestart               // the node is started again
	actGoOn                  // the run goes on without it
)

// A remedy is what a policy says of one failure of a node.
type remedy struct {
	action action
	pause  time.Duration // before the restart
	count  int           // how many restarts within the period, with this one
	spent  bool          // there was to be a restart, and have been too many
	left   int           // of the label, with KeepAtLeast
}

// troubles is what has befallen the nodes of a run. It decides and does
// nothing: its caller brings the time and the randomness, and guards it.
type troubles struct {
	policies map[string]policy
	labels   map[string]string // of each node
	sizes    map[string]int    // of each label
	failures map[string][]time.Duration
	lost     map[string]bool
	causes   map[string]failure // by label: why the first was lost
}

func newTroubles(nodes []*node) *troubles {
	t := &troubles{
		policies: map[string]policy{}, labels: map[string]string{}, sizes: map[string]int{},
		failures: map[string][]time.Duration{}, lost: map[string]bool{}, causes: map[string]failure{},
	}
	for _, n := range nodes {
		t.policies[n.key], t.labels[n.key] = n.policy, n.label
		t.sizes[n.label]++
	}
	return t
}

// failed decides about a failure of one node at a time since the run began.
// It is not asked again about one that is lost.
func (t *troubles) failed(key string, at time.Duration, random float64) remedy {
	p := t.policies[key]
	var r remedy
	if p.restart {
		recent := slices.DeleteFunc(t.failures[key], func(f time.Duration) bool { return at-f >= p.restarts.Within })
		recent = append(recent, at)
		t.failures[key] = recent
		if p.restarts.Max < 0 || len(recent) <= p.restarts.Max {
			return remedy{action: actRestart, pause: p.restarts.pause(len(recent), random), count: len(recent)}
		}
		r.spent, r.count = true, len(recent)-1
	}
	gone := t.loses(key)
	r.action, r.left = gone.action, gone.left
	return r
}

// loses decides about a node that will not be started again.
func (t *troubles) loses(key string) (r remedy) {
	p := t.policies[key]
	if p.keep {
		t.lost[key] = true
		r.left = t.left(t.labels[key])
		if r.left >= p.least {
			r.action = actGoOn
		}
	}
	return r
}

func (t *troubles) left(label string) int {
	n := t.sizes[label]
	for key := range t.lost {
		if t.labels[key] == label {
			n--
		}
	}
	return n
}

// returns reports whether the nodes of a host, all of them, have policies by
// which the host would be started again. It is a matter of the program alone,
// so that every process knows.
func (g *graph) returns(host string) bool {
	some := false
	for _, n := range g.on(host) {
		if !n.policy.restart && !n.policy.keep {
			return false
		}
		some = some || n.policy.restart
	}
	return some
}

// mayLose reports whether a run goes on when a host's process ends, so that it matters to the others.
func (g *graph) mayLose(host string) bool {
	for _, n := range g.on(host) {
		if !n.policy.restart && !n.policy.keep {
			return false
		}
	}
	return true
}

// times says how often something was done.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
