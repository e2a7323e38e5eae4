package topology

import "fmt"

// A Kind says how the members of a group are linked. The zero Kind is none, and an error of [New].
type Kind struct {
	name string
	err  error
	// links are between places in what it is given: the first member of each host, the root's first.
	links func(n int) []Edge
	// whole kinds are given all members, and so place those of a host themselves.
	whole bool
	own   func(members []Member) []Edge
}

// An Edge is a link between two members, by rank. Data comes down it From the one that is nearer to the root, and goes up it too.
type Edge struct{ From, To int }

// String is the kind's name, such as "tree(2)".
func (k Kind) String() string { return k.name }

// Star links every host to the root's.
func Star() Kind {
	return Kind{name: "star", links: func(n int) []Edge { return tree(n, max(n-1, 1)) }}
}

// Tree gives each host at most so many below it, and fills a level before it begins the next. A fanout below 1 is an error of [New].
func Tree(fanout int) Kind {
	k := Kind{name: fmt.Sprintf("tree(%d)", fanout), links: func(n int) []Edge { return tree(n, fanout) }}
	if fanout < 1 {
		k.err = fmt.Errorf("%w: a tree in which each has %d below it: it takes at least 1", ErrKind, fanout)
	}
	return k
}

// tree is what links place i to its parent, the place (i-1)/fanout, as in a heap.
func tree(n, fanout int) []Edge {
	var all []Edge
	for i := 1; i < n; i++ {
		all = append(all, Edge{(i - 1) / fanout, i})
	}
	return all
}

// Chain links each member to the next, host by host, beginning with the root.
func Chain() Kind {
	return Kind{name: "chain", whole: true, links: func(n int) []Edge { return tree(n, 1) }}
}

// Ring is a chain whose last member is linked to the first.
func Ring() Kind {
	return Kind{name: "ring", whole: true, links: func(n int) []Edge {
		all := tree(n, 1)
		if n > 2 { // two are linked already
			all = append(all, Edge{n - 1, 0})
		}
		return all
	}}
}

// Net links every host to every other.
func Net() Kind {
	return Kind{name: "net", links: func(n int) []Edge {
		all := make([]Edge, 0, n*(n-1)/2)
		for i := range n {
			for j := i + 1; j < n; j++ {
				all = append(all, Edge{i, j})
			}
		}
		return all
	}}
}

// Own is a kind of the caller's: links must return the same edges for the same members, whose places in the slice are their ranks. Hosts
// are its own affair.
func Own(name string, links func(members []Member) []Edge) Kind {
	k := Kind{name: name, own: links}
	if links == nil {
		k.err = fmt.Errorf("%w: %s has no function", ErrKind, name)
	}
	return k
}
