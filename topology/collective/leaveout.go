package collective

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
)

// LeaveOut has an operation go on without members that end: it is done again by those that are left, until they agree that all of them have its
// result. That is then the one of an operation of those that are left, whole and the same at all of them; each gets a [MissingError] that names who
// is not in it, and has zeros in their places. Of a member that has ended nothing is in the result, unless all had that when it ended: then it is not named.
//
// It costs a message from each member to one and back at the end of the operation, also where nobody is missing; and an operation in place, [AllReduce]
// or at its root [Reduce], a copy of the data. Without the root of an operation there is no result: a [MissingError] names it. A member that the
// others take for missing, as they cannot reach it, gets one with its own name.
//
// [Broadcast] leaves out who is missing by itself, without these costs. A [Stream] cannot be done again: [ErrArgument].
func LeaveOut() Option { return func(o *options) { o.leaveOut = true } }

// Leaf makes members, by rank, leaves: in operations along trees nobody gets data through them, and the root itself serves them, at their speed. It is for
// those that are known to be slower than the others, or whose links are: a large [Broadcast] finds them itself, but only as it goes. In a ring, or where everybody sends to everybody, it changes nothing.
func Leaf(ranks ...int) Option {
	return func(o *options) { o.leaves = append(o.leaves, ranks...) }
}

// A task is an operation as it is tried.
type task struct {
	m      *Member
	sig    signature
	algo   Algorithm
	root   int // -1: anyone
	leaves []int
	run    func(o *op, algo Algorithm, trees []tree) error

	seq uint64 // of the last try
}

// try does the operation without those who are gone.
func (t *task) try(ctx context.Context, gone []int) error {
	sig, p := t.sig, t.m.plan
	sig.root = uint32(t.rootWithout(gone))
	sig.set = setHash(t.leaves, gone)
	trees, err := p.treesFor(t.algo, int(sig.root))
	if err != nil {
		return err
	}
	if len(t.leaves)+len(gone) > 0 {
		trees = slices.Clone(trees)
		for i := range trees {
			trees[i] = trees[i].prune(gone).demote(t.leaves)
		}
	}
	o, err := t.m.begin(ctx, sig)
	if err != nil {
		return err
	}
	o.gone, t.seq = gone, o.seq
	return o.end(t.run(o, t.algo, trees))
}

// rootWithout is the operation's root, or where it has none the first in the shape that is left.
func (t *task) rootWithout(gone []int) int {
	if t.root >= 0 {
		return t.root
	}
	for _, rank := range t.m.plan.tour(t.m.plan.shape.Root()) {
		if !slices.Contains(gone, rank) {
			return rank
		}
	}
	return t.m.rank
}

// repeat tries until all that are left have the result. before is called before each attempt but the first, with those who are gone.
func (t *task) repeat(ctx context.Context, before func(gone []int)) error {
	var gone []int
	for {
		err := t.try(ctx, gone)
		if errors.Is(err, ErrBusy) || errors.Is(err, ErrTurn) || errors.Is(err, ErrGroup) {
			return err // nothing was begun
		}
		v, agreed := t.m.agree(ctx, t.sig, gone, t.m.reportOn(err))
		switch {
		case agreed != nil && err != nil && !errors.Is(err, ErrMissing):
			return err
		case agreed != nil:
			return agreed
		case len(v.Failure) > 0 && err != nil && !errors.Is(err, ErrMissing):
			return err
		case len(v.Failure) > 0:
			return v.Failure[0].err()
		case len(v.Missing) == 0:
			return t.missing(gone)
		}
		known := len(gone)
		gone = slices.Compact(slices.Sorted(slices.Values(append(gone, v.Missing...))))
		if len(gone) == known || slices.Contains(gone, t.m.rank) || slices.Contains(gone, t.root) {
			return t.missing(gone)
		}
		before(gone)
	}
}

// missing is the error that names members without whom the operation was done, nil for none.
func (t *task) missing(ranks []int) error {
	if len(ranks) == 0 {
		return nil
	}
	e := &MissingError{}
	for _, rank := range ranks {
		e.Members = append(e.Members, t.m.plan.name(rank))
	}
	return fmt.Errorf("operation %d, the %v, at %s: %w", t.seq, t.sig.op, t.m.plan.name(t.m.rank), e)
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
