package collective

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unsafe"
)

const (
	// MaxSize is the most bytes that one operation may move for a member. Those with readers and writers, such as [Stream], have no limit.
	MaxSize int64 = 1 << 40
	// DefaultChunk is the size of the pieces in which data travels: so small that a chain of many members fills quickly, so large that a
	// message costs little beside it. With its header it is 128 KiB.
	DefaultChunk = 128<<10 - headerSize
	// MaxChunk is the largest; a member's window takes eight of them.
	MaxChunk = windowBytes/8 - headerSize
)

// An Option changes how an operation is done. All members must give the same.
type Option func(*options)

type options struct {
	algo    Algorithm
	chunk   int
	explain func(Forecast) // nil: nobody asks

	needAll bool
	leaves  []int
}

// Using sets the algorithm. The default is [ByShape]; [Auto] measures and chooses.
func Using(a Algorithm) Option { return func(o *options) { o.algo = a } }

// Chunk sets the size of the pieces in which data travels, in bytes: a multiple of 8, at most [MaxChunk]. Zero is [DefaultChunk], or
// with [Auto] what that chooses.
func Chunk(bytes int) Option { return func(o *options) { o.chunk = bytes } }

// A request is what an operation was called with.
type request struct {
	kind  opKind
	root  int // -1: it has none
	size  int // of the data, in bytes, which all must have in common
	total int // bytes in the largest slice
	elem  elemKind
	by    *reducer
	opts  []Option

	inPlace []byte // what the operation changes and would need again
	places  []byte // where it puts something of each member
	wrong   error  // what is wrong with this member's slices, or other arguments
}

// operate does an operation by f, with the trees of its algorithm.
func operate(ctx context.Context, n Node, r request, f func(o *op, algo Algorithm, trees []tree) error) error {
	m := n.member()
	if m == nil || m.plan == nil {
		return fmt.Errorf("%w: it has not joined one with Join, or Seal was not called", ErrGroup)
	}
	set := options{}
	for _, opt := range r.opts {
		opt(&set)
	}
	if err := m.check(&r, &set); err != nil {
		return m.refuse(ctx, r.kind, err)
	}
	root := r.root
	if root < 0 {
		root = m.plan.shape.Root()
	}
	algo, chunk, err := m.choose(ctx, n, r, set, set.chunk, root)
	if err != nil {
		return err
	}
	t := &task{m: m, root: r.root, leaves: set.leaves, run: f, repairs: r.kind.goesOn() && !set.needAll && m.plan.shape.Len() > 1,
		sig: signature{op: r.kind, algo: algo, elem: r.elem, size: uint64(r.size), chunk: uint32(chunk), needAll: set.needAll}}
	if r.by != nil {
		t.sig.reduce = r.by.hash
	}
	switch {
	case r.kind == opAllReduce:
		t.result = r.inPlace
	case r.kind == opAllGather:
		t.result = r.places
	}
	if r.kind != opGather || r.root == m.rank {
		t.places = r.places
	}
	if t.repairs && len(r.inPlace) > 0 {
		t.saved = newSavings(r.inPlace)
		defer t.saved.drop()
	}
	return t.do(ctx)
}

// check says what is wrong with what the operation was called with.
func (m *Member) check(r *request, set *options) error {
	members := m.plan.shape.Len()
	switch {
	case r.wrong != nil:
		return r.wrong
	case set.chunk != 0 && (set.chunk < 8 || set.chunk > MaxChunk || set.chunk%8 != 0):
		return fmt.Errorf("%w: chunks of %d bytes: a multiple of 8 from 8 to %d is needed", ErrArgument, set.chunk, MaxChunk)
	case set.algo >= algorithms:
		return fmt.Errorf("%w: algorithm %d", ErrArgument, set.algo)
	case r.root < -1 || r.root >= members || r.root < 0 && r.kind.hasRoot():
		return fmt.Errorf("%w: root %d is no member: there are %d, from %s to %s", ErrArgument, r.root, members, m.plan.name(0), m.plan.name(members-1))
	case int64(r.total) > MaxSize:
		return fmt.Errorf("%w: %d bytes, the limit is %d: do it in parts, or move it as a Stream, which has none", ErrTooLarge, r.total, MaxSize)
	}
	return m.plan.checkLeaves(set.leaves)
}

// refuse counts an operation that this member has called wrongly, and ends it for the others: they cannot know, and wait for it.
func (m *Member) refuse(ctx context.Context, kind opKind, err error) error {
	o, begun := m.begin(ctx, nil, nil, signature{op: kind}, err)
	if begun != nil {
		return begun
	}
	return o.end(nil)
}

// Broadcast brings the root's data to all members, into slices of the same length. It returns when all below the member in the tree have it:
// at the root, when all members have it. Members that have ended are left out; then the others have everything, and those that have noticed,
// the root among them, get a [MissingError].
func Broadcast[E Element](ctx context.Context, n Node, root int, data []E, opts ...Option) error {
	b := bytesOf(data)
	return operate(ctx, n, request{kind: opBroadcast, root: root, size: len(b), total: len(b), elem: kindOf[E](), opts: opts}, func(o *op, _ Algorithm, trees []tree) error {
		return o.broadcast(trees, b)
	})
}

// Reduce puts the data of all members together at the root, in place. Elsewhere data stays as it is.
func Reduce[E Number](ctx context.Context, n Node, root int, data []E, by func() Reduction[E], opts ...Option) error {
	r, wrong := newReducer(by)
	b := bytesOf(data)
	return operate(ctx, n, request{kind: opReduce, root: root, size: len(b), total: len(b), elem: kindOf[E](), by: r, opts: opts, wrong: wrong, inPlace: b}, func(o *op, _ Algorithm, trees []tree) error {
		return o.reduce(trees, b, r)
	})
}

// AllReduce puts the data of all members together, in place, at all of them: with the same bits.
func AllReduce[E Number](ctx context.Context, n Node, data []E, by func() Reduction[E], opts ...Option) error {
	r, wrong := newReducer(by)
	b := bytesOf(data)
	return operate(ctx, n, request{kind: opAllReduce, root: -1, size: len(b), total: len(b), elem: kindOf[E](), by: r, opts: opts, wrong: wrong, inPlace: b}, func(o *op, algo Algorithm, trees []tree) error {
		switch algo {
		case Ring:
			var e E
			return o.ringAllReduce(b, int(unsafe.Sizeof(e)), r)
		case Doubling:
			return o.doubling(b, r)
		}
		return o.allReduce(trees, b, r)
	})
}

// Gather brings each member's data, of the same length, to the root: into its place of all, by rank. Elsewhere all is not looked at.
func Gather[E Element](ctx context.Context, n Node, root int, mine, all []E, opts ...Option) error {
	wrong := fitsAll(n, root, "all", mine, all)
	b := bytesOf(mine)
	return operate(ctx, n, request{kind: opGather, root: root, size: len(b), total: len(bytesOf(all)), elem: kindOf[E](), opts: opts, wrong: wrong, places: bytesOf(all)}, func(o *op, _ Algorithm, trees []tree) error {
		return o.gather(&trees[0], b, bytesOf(all))
	})
}

// Scatter brings each member its part of the root's data, by rank. Elsewhere all is not looked at.
func Scatter[E Element](ctx context.Context, n Node, root int, all, mine []E, opts ...Option) error {
	wrong := fitsAll(n, root, "all", mine, all)
	b := bytesOf(mine)
	return operate(ctx, n, request{kind: opScatter, root: root, size: len(b), total: len(bytesOf(all)), elem: kindOf[E](), opts: opts, wrong: wrong}, func(o *op, _ Algorithm, trees []tree) error {
		return o.scatter(&trees[0], bytesOf(all), b)
	})
}

// fitsAll checks that a slice has a part for each member, at the root, or where root is -1 everywhere.
func fitsAll[E Element](n Node, root int, name string, mine, all []E) error {
	m := n.member()
	if m == nil || m.plan == nil || root >= 0 && root != m.rank {
		return nil // operate says what is wrong with it
	}
	if members := m.plan.shape.Len(); len(all) != members*len(mine) {
		return fmt.Errorf("%w: %s has %d elements, and %d members with %d each need %d", ErrArgument, name, len(all), members, len(mine), members*len(mine))
	}
	return nil
}

// AllGather brings each member's data, of the same length, to all: into its place of all, by rank.
func AllGather[E Element](ctx context.Context, n Node, mine, all []E, opts ...Option) error {
	wrong := fitsAll(n, -1, "all", mine, all)
	b, a := bytesOf(mine), bytesOf(all)
	return operate(ctx, n, request{kind: opAllGather, root: -1, size: len(b), total: len(a), elem: kindOf[E](), opts: opts, wrong: wrong, places: a}, func(o *op, algo Algorithm, trees []tree) error {
		copy(o.part(a, o.m.rank), b)
		switch algo {
		case Ring:
			return o.ringAllGather(a)
		case Direct:
			return o.directAllGather(a)
		}
		if err := o.gather(&trees[0], b, a); err != nil {
			return err
		}
		return o.broadcast(trees, a)
	})
}

// ReduceScatter puts the data of all members together, and leaves each its part of the result in mine, by rank. all stays as it is.
func ReduceScatter[E Number](ctx context.Context, n Node, all, mine []E, by func() Reduction[E], opts ...Option) error {
	r, err := newReducer(by)
	wrong := errors.Join(err, fitsAll(n, -1, "all", mine, all))
	b, a := bytesOf(mine), bytesOf(all)
	return operate(ctx, n, request{kind: opReduceScatter, root: -1, size: len(b), total: len(a), elem: kindOf[E](), by: r, opts: opts, wrong: wrong}, func(o *op, algo Algorithm, trees []tree) error {
		if algo == Direct {
			return o.directReduceScatter(a, b, r)
		}
		a := bytesOf(slices.Clone(all))
		if algo == Ring {
			err := o.ringReduceScatter(a, r)
			copy(b, o.part(a, o.m.rank))
			return err
		}
		if err := o.reduce(trees, a, r); err != nil {
			return err
		}
		return o.scatter(&trees[0], a, b)
	})
}

// AllToAll sends each member its part of out, and receives one from each into its place of in, by rank. All parts are of the same length, and out and in
// share no memory.
func AllToAll[E Element](ctx context.Context, n Node, out, in []E, opts ...Option) error {
	var wrong error
	if m := n.member(); m != nil && m.plan != nil && (len(out) != len(in) || len(out)%m.plan.shape.Len() != 0) {
		wrong = fmt.Errorf("%w: out has %d elements and in %d: both need the same multiple of %d", ErrArgument, len(out), len(in), m.plan.shape.Len())
	} else if overlap(out, in) {
		wrong = fmt.Errorf("%w: out and in share memory: what comes would be sent on; give another slice for one of them", ErrArgument)
	}
	b := bytesOf(out)
	return operate(ctx, n, request{kind: opAllToAll, root: -1, size: len(b), total: len(b), elem: kindOf[E](), opts: opts, wrong: wrong, places: bytesOf(in)}, func(o *op, _ Algorithm, _ []tree) error {
		return o.allToAll(b, bytesOf(in))
	})
}

// overlap tells whether two slices share memory.
func overlap[E Element](a, b []E) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	first := func(s []E) uintptr { return uintptr(unsafe.Pointer(&s[0])) }
	last := func(s []E) uintptr { return uintptr(unsafe.Pointer(&s[len(s)-1])) }
	return first(a) <= last(b) && first(b) <= last(a)
}

// Barrier returns when all members have called it.
func Barrier(ctx context.Context, n Node, opts ...Option) error {
	return operate(ctx, n, request{kind: opBarrier, root: -1, opts: opts}, func(o *op, algo Algorithm, trees []tree) error {
		if algo == Doubling || algo == Ring {
			return o.barrier()
		}
		return o.treeBarrier(&trees[0])
	})
}
