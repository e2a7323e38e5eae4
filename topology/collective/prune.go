package collective

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
)

// Leaf makes members, by rank, leaves: in operations along trees nobody gets data through them, and the root itself serves them, at their speed. It is for
// those that are known to be slower than the others, or whose links are: a large [Broadcast] finds them itself, but only as it goes. In a ring, or where everybody sends to everybody, it changes nothing.
func Leaf(ranks ...int) Option {
	return func(o *options) { o.leaves = append(o.leaves, ranks...) }
}

// setHash is what all members must have in common of two sets of ranks; 0 for empty ones.
func setHash(leaves, gone []int) uint32 {
	if len(leaves)+len(gone) == 0 {
		return 0
	}
	var b []byte
	for i, set := range [][]int{leaves, gone} {
		for _, rank := range slices.Sorted(slices.Values(set)) {
			b = binary.LittleEndian.AppendUint32(b, uint32(rank)<<1|uint32(i))
		}
	}
	h := fnv.New32a()
	_, _ = h.Write(b)
	return h.Sum32()
}

// checkLeaves refuses ranks that are no members'.
func (p *plan) checkLeaves(leaves []int) error {
	for _, rank := range leaves {
		if rank < 0 || rank >= p.shape.Len() {
			return fmt.Errorf("%w: leaf %d is no member: there are %d", ErrArgument, rank, p.shape.Len())
		}
	}
	return nil
}

// treesWithout is the trees of an algorithm without those who are gone, and with others as leaves.
func (p *plan) treesWithout(algo Algorithm, root int, gone, leaves []int) ([]tree, error) {
	trees, err := p.treesFor(algo, root)
	if err != nil || len(leaves)+len(gone) == 0 {
		return trees, err
	}
	trees = slices.Clone(trees)
	for i := range trees {
		trees[i] = trees[i].prune(gone).demote(leaves)
	}
	return trees, nil
}

// prune is the tree without some members: those below them are below the next one above. Without its root, the first below that is it.
func (t tree) prune(gone []int) tree {
	if len(gone) == 0 {
		return t
	}
	left := newTree(len(t.parent))
	for _, rank := range t.order {
		if slices.Contains(gone, rank) {
			continue
		}
		up := t.parent[rank]
		for up >= 0 && slices.Contains(gone, up) {
			up = t.parent[up]
		}
		if up < 0 && len(left.order) > 0 {
			up = left.order[0]
		}
		left.add(rank, up)
	}
	return left
}

// demote is the tree with some members right below the root, behind the others there, and nobody below them.
func (t tree) demote(leaves []int) tree {
	if len(leaves) == 0 {
		return t
	}
	root := t.order[0]
	demoted := t.prune(slices.DeleteFunc(slices.Clone(leaves), func(rank int) bool { return rank == root }))
	for _, rank := range t.order[1:] {
		if slices.Contains(leaves, rank) {
			demoted.add(rank, root)
		}
	}
	return demoted
}

// add adds a member below another that is there; -1: as the root.
func (t *tree) add(rank, up int) {
	t.parent[rank] = up
	if up >= 0 {
		t.children[up] = append(t.children[up], rank)
	}
	t.order = append(t.order, rank)
}
