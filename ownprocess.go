package tlaunch

import (
	"fmt"
	"strings"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// A run has one process for each host and one for each node that wants its
// own. A process is named like its host, or host~label.number; to what keeps
// the run together (registry, certificates, links) each is a host.

// OwnProcess gives the node a process of its own on its host, bounded by
// limits where these are given, and else as the hosts' processes are. A crash
// there takes no other node along and is the node's failure, for which its
// policies hold. In a run in one process it means nothing. Commands are
// processes of their own without it.
func OwnProcess(limits ...Limits) NodeOption {
	return func(o *nodeOptions) {
		o.ownProcess = true
		for _, l := range limits {
			o.limits = l.over(o.limits)
		}
	}
}

// settle says in which process the node lives, once its host is known.
func (n *node) settle(o nodeOptions) error {
	n.process = n.host
	if o.ownProcess {
		n.process = fmt.Sprintf("%s~%s.%d", n.host, n.label, n.index)
	}
	n.limits = o.limits
	return o.limits.validate()
}

func (n *node) ownProcess() bool { return n.process != n.host }

// hostOf is the host of a process.
func hostOf(process string) string {
	host, _, _ := strings.Cut(process, "~")
	return host
}

// loners are the nodes that have processes of their own, by these.
func (g *graph) loners() map[string]*node {
	m := map[string]*node{}
	for _, n := range g.nodes {
		if n.ownProcess() {
			m[n.process] = n
		}
	}
	return m
}

// usedHosts are the processes of a run, in the order of hosts: each as its
// host, by its own name.
func (g *graph) usedHosts(hosts []Host) []Host {
	var used []Host
	for _, h := range hosts {
		if len(g.on(h.Name)) > 0 {
			used = append(used, h)
		}
		for _, n := range g.nodes {
			if n.host == h.Name && n.ownProcess() {
				own := h
				own.Name = n.process
				used = append(used, own)
			}
		}
	}
	return used
}

// line is a process's line in the inventory: its host's, by its own name.
func (f *fleet) line(process string) inventory.Host {
	line := f.lines[hostOf(process)]
	line.Name = process
	return line
}

// limits are those of a process.
func (f *fleet) limits(process string) Limits {
	if n := f.loners[process]; n != nil {
		return n.limits.over(f.settings.limits)
	}
	return f.settings.limits
}

// record hands on what a process printed or logged. What a node's own process
// says is the node's word.
func (f *fleet) record(r Record) {
	if n := f.loners[r.Host]; n != nil {
		r.Host = n.host
		if r.Node == "" {
			r.Node = n.name
		}
	}
	f.settings.hand(r)
}

// died is the end of a process as a failure: where it was a node's own, the node's.
func (f *fleet) died(process string, b blame, err *ProcessError) failure {
	if n := f.loners[process]; n != nil {
		err.Host, err.Node = n.host, n.key
		return failure{b, process, n.key, &NodeError{Node: n.key, Host: n.host, Phase: "run", Err: err}}
	}
	return failure{b, process, "", err}
}
