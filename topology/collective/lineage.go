package collective

import (
	"cmp"
	"slices"

	"github.com/tartrl/tlaunch-go/topology"
)

// A lineage says which members may read a publication from which. Hosts form a tree, that of the shape with each host at the place of its first
// member; a member may read from earlier members of its own host, and from those of the hosts above. Whoever changes from one to another by
// this rule never reads, by however many others, from itself.
type lineage struct {
	host  []int   // of each member
	place []int   // of each member among those of its host
	above []int   // of each host; -1: the root's
	of    [][]int // members of each host, in the order of the tree
}

func newLineage(t *tree, members []topology.Member) *lineage {
	l := &lineage{host: make([]int, len(members)), place: make([]int, len(members))}
	known := map[string]int{}
	for _, rank := range t.order {
		name := members[rank].Host
		h, ok := known[name]
		if !ok || name == "" { // the empty name is a host of its own
			h = len(l.of)
			known[name] = h
			l.of = append(l.of, nil)
			up := -1
			if t.parent[rank] >= 0 {
				up = l.host[t.parent[rank]]
			}
			l.above = append(l.above, up)
		}
		l.host[rank], l.place[rank] = h, len(l.of[h])
		l.of[h] = append(l.of[h], rank)
	}
	return l
}

func (l *lineage) sameHost(a, b int) bool { return l.host[a] == l.host[b] }

// before tells whether x may read from y.
func (l *lineage) before(y, x int) bool {
	if l.sameHost(x, y) {
		return l.place[y] < l.place[x]
	}
	for h := l.above[l.host[x]]; h >= 0; h = l.above[h] {
		if h == l.host[y] {
			return true
		}
	}
	return false
}

// candidates are the members whom x asks in turn: the nearest first, the root last. The first of a host knows the others that read.
func (l *lineage) candidates(x int) []int {
	all := slices.Clone(l.of[l.host[x]][:l.place[x]])
	for h := l.above[l.host[x]]; h >= 0; h = l.above[h] {
		all = append(all, l.of[h][0])
	}
	return all
}

// instead is who of those that read from a is to be read from by x instead of a, and who is to read from x instead: x comes to a, avoiding
// some. next is -1 for nobody.
func (l *lineage) instead(a, x int, readers, avoid []int) (next int, moved []int) {
	next = -1
	if l.sameHost(a, x) {
		return next, nil
	}
	readers = slices.Clone(readers)
	slices.SortFunc(readers, func(y, z int) int {
		return cmp.Or(cmp.Compare(l.host[y], l.host[z]), cmp.Compare(l.place[y], l.place[z]))
	})
	for _, y := range readers {
		switch {
		case l.before(y, x) && !l.sameHost(a, y) && !slices.Contains(avoid, y):
			return y, nil
		case l.before(x, y):
			moved = append(moved, y)
		}
	}
	return next, moved
}
