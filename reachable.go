package tlaunch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// hostPair is two hosts of which the first has nodes with refs to nodes of the
// second.
type hostPair struct{ from, to string }

func (p hostPair) reverse() hostPair { return hostPair{p.to, p.from} }

// need records that a node refers to another, which may be nil or at home.
func (g *graph) need(n, target *node) {
	if target != nil && target.process != n.process {
		g.needs[hostPair{n.process, target.process}] = true
	}
}

// pairs are the pairs of hosts that must reach each other, in the order of
// hosts. Of two hosts that need each other there is one pair: one link is
// enough, whoever has opened it.
func (g *graph) pairs(hosts []Host) []hostPair {
	at := map[string]int{}
	for i, h := range hosts {
		at[h.Name] = i
	}
	var all []hostPair
	for p := range g.needs {
		if g.needs[p.reverse()] && at[p.to] < at[p.from] {
			continue
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b hostPair) int {
		return cmp.Or(cmp.Compare(at[a.from], at[b.from]), cmp.Compare(at[a.to], at[b.to]))
	})
	return all
}

// peersOf counts with how many others each host must be linked.
func peersOf(pairs []hostPair) map[string]int {
	n := map[string]int{}
	for _, p := range pairs {
		n[p.from]++
		n[p.to]++
	}
	return n
}

// obstacle is how one host failed to reach another, as hosts report it.
type obstacle string

const (
	obstacleNone     obstacle = ""
	obstacleSilence  obstacle = "silence"  // no answer to the first packet
	obstacleRefused  obstacle = "refused"  // nothing listens
	obstacleNoRoute  obstacle = "no route" // the network says so
	obstacleStranger obstacle = "stranger" // somebody answers who is not that host in this run
	obstacleMute     obstacle = "mute"     // connected, but the run's protocol was not spoken
	obstacleOther    obstacle = "other"
	obstacleNoWord   obstacle = "no word" // the host that was to try has said nothing
)

// remedy is what to do about it.
func (o obstacle) remedy(to string) string {
	data := fmt.Sprintf("set data= of %s in the inventory to an address that the others reach", to)
	switch o {
	case obstacleSilence:
		return "packets are lost on the way: a firewall between them? Let TCP through (-ports bounds the ports), or " + data
	case obstacleRefused:
		return "nothing accepts connections there: a firewall that rejects, or an address of another machine? Let TCP through (-ports bounds the ports), or " + data
	case obstacleNoRoute:
		return "the network knows no way: " + data
	case obstacleStranger:
		return fmt.Sprintf("who answers there is not %s of this run: %s", to, data)
	case obstacleMute:
		return fmt.Sprintf("what listens there does not speak as %s would: another service at that address, or something between them that intercepts? Or %s", to, data)
	case obstacleNoWord:
		return "its lines above may say what it waits for"
	}
	return data
}

// A PairError says that one host of a run cannot reach another, where nodes of
// the first have refs to nodes of the second.
type PairError struct {
	From, To string // hosts; where both need each other, neither reaches the other
	Address  string // at which From tried to reach To
	Cause    string // what From met
	Remedy   string // what the user can do

	obstacle obstacle
}

func (e *PairError) Error() string {
	return fmt.Sprintf("%s cannot reach %s at %s: %s; %s", e.From, e.To, e.Address, e.Cause, e.Remedy)
}

// A PairsError is the hosts of a run that cannot reach each other: all pairs.
type PairsError struct {
	Needed int          // how many pairs of hosts the program's refs need
	Failed []*PairError // at least one
}

// Error has a line for each failure; those of one host are put together.
func (e *PairsError) Error() string {
	s := fmt.Sprintf("%d of %d pairs of hosts that the program's refs need cannot reach each other:", len(e.Failed), e.Needed)
	for _, line := range summarise(e.Failed) {
		s += "\n  " + line
	}
	return s
}

// Unwrap is the failures, each a [*PairError].
func (e *PairsError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f
	}
	return errs
}

// someOf lists as many names as a line takes.
func someOf(names []string) string {
	const most = 8
	who := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		who += fmt.Sprintf(" and %d more", more)
	}
	return who
}

// summarise makes lines of failures: where several have met the same at one
// host, or one host at several, that is one line. The largest groups first.
func summarise(failed []*PairError) []string {
	type group struct {
		host string
		to   bool
		o    obstacle
	}
	var lines []string
	for left := slices.Clone(failed); len(left) > 0; {
		groups := map[group][]*PairError{}
		best := group{left[0].From, false, left[0].obstacle}
		for _, e := range left {
			for _, g := range []group{{e.To, true, e.obstacle}, {e.From, false, e.obstacle}} {
				groups[g] = append(groups[g], e)
			}
		}
		for _, e := range left { // in order, so that the result is always the same
			for _, g := range []group{{e.To, true, e.obstacle}, {e.From, false, e.obstacle}} {
				if len(groups[g]) > len(groups[best]) {
					best = g
				}
			}
		}
		one := groups[best]
		lines = append(lines, lineOf(one, best.to))
		left = slices.DeleteFunc(left, func(e *PairError) bool { return slices.Contains(one, e) })
	}
	return lines
}

// lineOf is the line of failures that share their target, or where they come from.
func lineOf(failed []*PairError, target bool) string {
	first := failed[0]
	if len(failed) == 1 {
		return first.Error()
	}
	var names []string
	for _, e := range failed {
		if target {
			names = append(names, e.From)
		} else {
			names = append(names, e.To+" at "+e.Address)
		}
	}
	who := someOf(names)
	if target {
		return fmt.Sprintf("%s cannot reach %s at %s: %s; %s", who, first.To, first.Address, first.Cause, first.Remedy)
	}
	return fmt.Sprintf("%s cannot reach %s: %s; %s", first.From, who, first.Cause, first.obstacle.remedy("each"))
}
