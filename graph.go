package tlaunch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/tartrl/tlaunch-go/actor"
)

// graph is a built program: its nodes, who refers to whom, and what every
// process of the run must find the same.
type graph struct {
	nodes   []*node
	byKey   map[string]*node
	summary []summary
	needs   map[hostPair]bool // between whose nodes there are refs
	errs    []error

	commands map[string]*commandPlace // by key
	folders  []string                 // that commands bring along, in the order in which nodes name them
	gpuBase  map[string]int           // by host: where its GPUs begin, where all hosts are one machine
}

// summary is what two processes compare of a node. It holds no configuration
// and no state, only a digest of it.
type summary struct {
	Key, Name, Host, Type, Options string
	Refs                           []string // "path → node"
	Digest                         [sha256.Size]byte
}

func newGraph(p *Program) *graph {
	g := &graph{nodes: p.nodes, byKey: map[string]*node{}, needs: map[hostPair]bool{}}
	owner := map[uintptr]string{} // memory and the node from which it was reached first
	for _, n := range p.nodes {
		g.byKey[n.key] = n
	}
	for _, n := range p.nodes {
		s := summary{Key: n.key, Name: n.name, Host: n.host, Options: n.options()}
		if n.value == nil {
			s.Type = "Proto.Actor props"
		} else {
			s.Type = reflect.TypeOf(n.value).String()
			w := actor.Walk(n.value)
			s.Digest = w.Digest
			for _, r := range w.Refs {
				g.checkRef(p, n, r)
				s.Refs = append(s.Refs, r.Path+" → "+r.Key)
				g.need(n, g.byKey[r.Key])
			}
			for at := range p.shared {
				delete(w.Pointers, at)
			}
			g.checkShared(n, w, owner)
		}
		g.summary = append(g.summary, s)
	}
	g.placeCommands(p.hosts)
	return g
}

func (n *node) options() string {
	var b strings.Builder
	fmt.Fprintf(&b, "concurrent %d, mailbox %d", n.concurrent, n.capacity)
	if n.bytes > 0 {
		fmt.Fprintf(&b, " of %d bytes", n.bytes)
	}
	for _, batch := range n.batches {
		fmt.Fprintf(&b, ", batched %v", batch)
	}
	if n.ownProcess() {
		b.WriteString(", own process (" + n.limits.String() + ")")
	}
	if p := n.policy.String(); p != "" {
		b.WriteString(", " + p)
	}
	return b.String()
}

func (g *graph) fail(format string, args ...any) {
	g.errs = append(g.errs, fmt.Errorf(format, args...))
}

func (g *graph) checkRef(p *Program, n *node, r actor.FoundRef) {
	switch {
	case r.Key == "":
		g.fail("node %s: %s is a zero ref: give it the ref that Add returned", n.key, r.Path)
	case r.Table != p.table:
		g.fail("node %s: %s is a ref to %s of another program", n.key, r.Path, r.Key)
	case r.Err != nil:
		g.fail("node %s: %s: %w", n.key, r.Path, r.Err)
	}
}

// checkShared refuses memory that two nodes reach: in one process they would
// share it, on two hosts not.
func (g *graph) checkShared(n *node, w actor.Walked, owner map[uintptr]string) {
	at := make([]uintptr, 0, len(w.Pointers))
	for p := range w.Pointers {
		at = append(at, p)
	}
	slices.SortFunc(at, func(a, b uintptr) int { return strings.Compare(w.Pointers[a], w.Pointers[b]) })
	for _, p := range at {
		if other, ok := owner[p]; ok {
			g.fail("nodes %s and %s%s share memory, which they could not on two hosts: give each its own, or refer to a node by ref", other, n.key, w.Pointers[p])
			return
		}
	}
	for _, p := range at {
		owner[p] = n.key + w.Pointers[p]
	}
}

// on is the nodes that live in a process, in the order of their addition.
func (g *graph) on(process string) []*node {
	var found []*node
	for _, n := range g.nodes {
		if n.process == process {
			found = append(found, n)
		}
	}
	return found
}

// fingerprint is one value for the whole graph.
func (g *graph) fingerprint() string {
	b, err := actor.Encode(g.summary)
	if err != nil {
		return "" // a summary is made of strings: it always encodes
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// differs says how the graph that another process built differs from this
// one's, by the first node that does; nil when they are the same.
func differs(here, there []summary, hereName, thereName string) error {
	for i := range max(len(here), len(there)) {
		switch {
		case i >= len(here):
			return &DifferenceError{Node: there[i].Key, What: fmt.Sprintf("%s has it, %s does not", thereName, hereName)}
		case i >= len(there):
			return &DifferenceError{Node: here[i].Key, What: fmt.Sprintf("%s has it, %s does not", hereName, thereName)}
		}
		a, b := here[i], there[i]
		for _, part := range []struct {
			what string
			a, b any
		}{
			{"name", a.Key, b.Key}, {"display name", a.Name, b.Name}, {"host", a.Host, b.Host}, {"type", a.Type, b.Type},
			{"options", a.Options, b.Options}, {"refs", strings.Join(a.Refs, ", "), strings.Join(b.Refs, ", ")},
		} {
			if part.a != part.b {
				return &DifferenceError{Node: a.Key, What: fmt.Sprintf("its %s is %q at %s and %q at %s", part.what, part.a, hereName, part.b, thereName)}
			}
		}
		if a.Digest != b.Digest {
			return &DifferenceError{Node: a.Key, What: fmt.Sprintf("its initial value (%s) at %s is not that at %s", a.Type, hereName, thereName)}
		}
	}
	return nil
}
