package collective

import (
	"fmt"
	"slices"

	"github.com/tartrl/tlaunch-go/topology"
)

// An Algorithm is how an operation moves data. Where an operation has none of that name it takes the nearest. Of several members on one host [DoubleTree],
// [Doubling] and [Direct] know nothing: data may cross the link to it more than once; by all others what is for all crosses it once, as does what is put together.
type Algorithm uint8

const (
	// ByShape is the group's own way: the tree of a star, a tree, a chain or a shape of one's own, [Ring] in a ring; in a net the way that
	// suits the size: Doubling up to 64 KiB, then Chain for what comes from one member and Ring for what comes from all.
	ByShape Algorithm = iota
	// AlongShape is the tree of the group's shape, whatever it is.
	AlongShape
	// Chain passes data from member to member. The longest way, and all links carry it once.
	Chain
	// Tree is a binary tree.
	Tree
	// DoubleTree is two binary trees, each for half of the data; who has others below in one has none in the other (Sanders, Speck,
	// Träff 2009).
	DoubleTree
	// Ring passes parts around, so that all links are busy all the time: for what all members have to give.
	Ring
	// Doubling exchanges everything with members at distances 1, 2, 4 …: the fewest steps, for small values. From or to one member it is a
	// binomial tree.
	Doubling
	// Direct lets everyone send to whom it concerns.
	Direct
	// Auto takes the algorithm, and unless [Chunk] says it the size of chunks, of which it expects the least time, up to 5 %
	// more for larger chunks, and for Chain in place of DoubleTree, which cost processors less: from the size of the data, the hosts,
	// and latency and rate of their links as measured ([Measure]), and from what messages cost processors, which hosts may share. [Explain] says why. The
	// same measures lead to the same choice, at all members; other measures, in another run, to another one maybe, and so to
	// other bits of sums of floating-point numbers.
	Auto
	algorithms
)

// String is the name of the constant.
func (a Algorithm) String() string {
	names := []string{"ByShape", "AlongShape", "Chain", "Tree", "DoubleTree", "Ring", "Doubling", "Direct", "Auto", "?"}
	return names[min(int(a), len(names)-1)]
}

const smallBytes = 64 << 10 // up to so many, steps cost more than bytes

// resolve is the algorithm that an operation takes, never [ByShape].
func (p *plan) resolve(a Algorithm, op opKind, size int) Algorithm {
	if a != ByShape {
		return a
	}
	fromAll := op == opAllReduce || op == opAllGather || op == opReduceScatter
	switch p.shape.Kind().String() {
	case "ring":
		return Ring
	case "net":
		switch {
		case op == opGather || op == opScatter || op == opStreamGather || op == opStreamScatter || op == opAllToAll:
			return Direct
		case op == opStream:
			return Chain
		case size <= smallBytes:
			return Doubling
		case fromAll:
			return Ring
		}
		return Chain
	}
	if op == opAllToAll {
		return Direct
	}
	return AlongShape
}

// A tree is how data comes from one member to all, and back.
type tree struct {
	parent   []int // by rank; -1: the root
	children [][]int
	order    []int // the root first, parents before children
}

type treeKey struct {
	algo Algorithm
	root int
}

// treesFor is the trees of an algorithm with a root: one, or two that each carry half of the chunks.
func (p *plan) treesFor(a Algorithm, root int) ([]tree, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := treeKey{a, root}
	if all, ok := p.trees[k]; ok {
		return all, nil
	}
	all, err := p.plant(a, root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	p.trees[k] = all
	return all, nil
}

func (p *plan) plant(a Algorithm, root int) ([]tree, error) {
	shape, err := p.shape.Rooted(p.name(root))
	if err != nil && a == AlongShape {
		return nil, err
	}
	kind := map[Algorithm]topology.Kind{Chain: topology.Chain(), Ring: topology.Chain(), Tree: topology.Tree(2)}[a]
	switch {
	case a == AlongShape:
	case a == Chain || a == Ring || a == Tree:
		if shape, err = topology.New(kind, p.shape.Members()); err == nil {
			shape, err = shape.Rooted(p.name(root))
		}
		if err != nil {
			return nil, err
		}
	default:
		tour := p.tour(root)
		switch a {
		case DoubleTree:
			return doubleTree(tour), nil
		case Doubling:
			return []tree{grow(tour, func(i int) int { return i & (i - 1) })}, nil // without its lowest bit
		}
		return []tree{grow(tour, func(int) int { return 0 })}, nil
	}
	t := newTree(p.shape.Len())
	t.order = []int{root}
	for i := 0; i < len(t.order); i++ {
		for _, child := range shape.Children(t.order[i]) {
			t.parent[child] = t.order[i]
			t.children[t.order[i]] = append(t.children[t.order[i]], child)
			t.order = append(t.order, child)
		}
	}
	return []tree{t}, nil
}

// tour is all members, host by host, from one on.
func (p *plan) tour(root int) []int {
	tour := p.shape.Tour()
	at := slices.Index(tour, root)
	return slices.Concat(tour[at:], tour[:at])
}

func newTree(n int) tree {
	t := tree{parent: make([]int, n), children: make([][]int, n)}
	for i := range t.parent {
		t.parent[i] = -1
	}
	return t
}

// grow makes a tree of members in an order in which place 0 is the root, and above gives the place above another, a smaller one.
func grow(order []int, above func(i int) int) tree {
	t := newTree(len(order))
	t.order = order
	for i := 1; i < len(order); i++ {
		up := order[above(i)]
		t.parent[order[i]] = up
		t.children[up] = append(t.children[up], order[i])
	}
	return t
}

// doubleTree makes two trees of all members but the first, which is the root of both. In the first, members at odd places have others below
// them, in the second those at even places: it is the first for the same members in another order.
func doubleTree(order []int) []tree {
	rest := order[1:]
	other := slices.Clone(rest)
	slices.Reverse(other)
	if len(rest)%2 == 1 && len(rest) > 1 { // the mirror has the same places odd
		other = slices.Concat(rest[1:], rest[:1])
	}
	return []tree{inOrder(order[0], rest), inOrder(order[0], other)}
}

// inOrder makes a binary search tree of members by their places, in which those at even places are leaves, below a root.
func inOrder(root int, places []int) tree {
	t := newTree(len(places) + 1)
	t.order = []int{root}
	type span struct{ lo, hi, up int }
	for queue := []span{{0, len(places), root}}; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s.lo == s.hi {
			continue
		}
		size := 1
		for 2*size <= s.hi-s.lo {
			size *= 2
		}
		mid := s.lo + size - 1
		at := places[mid]
		t.parent[at] = s.up
		t.children[s.up] = append(t.children[s.up], at)
		t.order = append(t.order, at)
		queue = append(queue, span{s.lo, mid, at}, span{mid + 1, s.hi, at})
	}
	return t
}

// below is a member and all under it, each before those under it.
func (t *tree) below(rank int) []int {
	all := []int{rank}
	for _, child := range t.children[rank] {
		all = append(all, t.below(child)...)
	}
	return all
}
