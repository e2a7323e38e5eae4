package collective

import (
	"context"
	"fmt"
	"slices"
	"unsafe"
)

const (
	// MaxSize is the most bytes that one operation may move for a member.
	MaxSize int64 = 1 << 40
	// DefaultChunk is the size of the pieces in which data travels: so small that a chain of many members fills quickly, so large that a
	// message costs little beside it. With its header it is 128 KiB.
	DefaultChunk = 128<<10 - headerSize
	// MaxChunk is the largest; a member's window takes eight of them.
	MaxChunk = grantBytes - headerSize
)

// An Option changes how an operation is done. All members must give the same.
type Option func(*options)

type options struct {
	algo    Algorithm
	chunk   int
	explain func(Forecast) // nil: nobody asks
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
	members := m.plan.shape.Len()
	switch {
	case set.chunk != 0 && (set.chunk < 8 || set.chunk > MaxChunk || set.chunk%8 != 0):
		return fmt.Errorf("%w: chunks of %d bytes: a multiple of 8 from 8 to %d is needed", ErrArgument, set.chunk, MaxChunk)
	case set.algo >= algorithms:
		return fmt.Errorf("%w: algorithm %d", ErrArgument, set.algo)
	case r.root < -1 || r.root >= members:
		return fmt.Errorf("%w: root %d is no member: there are %d, from %s to %s", ErrArgument, r.root, members, m.plan.name(0), m.plan.name(members-1))
	case int64(r.total) > MaxSize:
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, r.total, MaxSize)
	}
	root := r.root
	if root < 0 {
		root = m.plan.shape.Root()
	}
	algo, chunk, err := m.choose(ctx, n, r, set, set.chunk, root)
	if err != nil {
		return err
	}
	trees, err := m.plan.treesFor(algo, root)
	if err != nil {
		return err
	}
	sig := signature{op: r.kind, algo: algo, elem: r.elem, root: uint32(root), size: uint64(r.size), chunk: uint32(chunk)}
	if r.by != nil {
		sig.reduce = r.by.hash
	}
	o, err := m.begin(ctx, sig)
	if err != nil {
		return err
	}
	return o.end(f(o, algo, trees))
}

// Broadcast brings the root's data to all members, into slices of the same length. It returns when all below the member in the tree have it:
// at the root, when all members have it. Members that have ended are left out; then the others have everything, and those that have noticed,
// the root among them, get a [MissingError].
func Broadcast[E Element](ctx context.Context, n Node, root int, data []E, opts ...Option) error {
	b := bytesOf(data)
	return operate(ctx, n, request{opBroadcast, root, len(b), len(b), kindOf[E](), nil, opts}, func(o *op, _ Algorithm, trees []tree) error {
		return o.broadcast(trees, b)
	})
}

// Reduce puts the data of all members together at the root, in place. Elsewhere data stays as it is.
func Reduce[E Number](ctx context.Context, n Node, root int, data []E, by func() Reduction[E], opts ...Option) error {
	r, err := newReducer(by)
	if err != nil {
		return err
	}
	b := bytesOf(data)
	return operate(ctx, n, request{opReduce, root, len(b), len(b), kindOf[E](), r, opts}, func(o *op, _ Algorithm, trees []tree) error {
		return o.reduce(trees, b, r)
	})
}

// AllReduce puts the data of all members together, in place, at all of them: with the same bits.
func AllReduce[E Number](ctx context.Context, n Node, data []E, by func() Reduction[E], opts ...Option) error {
	r, err := newReducer(by)
	if err != nil {
		return err
	}
	b := bytesOf(data)
	return operate(ctx, n, request{opAllReduce, -1, len(b), len(b), kindOf[E](), r, opts}, func(o *op, algo Algorithm, trees []tree) error {
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
	if err := fitsAll(n, root, "all", mine, all); err != nil {
		return err
	}
	b := bytesOf(mine)
	return operate(ctx, n, request{opGather, root, len(b), len(bytesOf(all)), kindOf[E](), nil, opts}, func(o *op, _ Algorithm, trees []tree) error {
		return o.gather(&trees[0], b, bytesOf(all))
	})
}

// Scatter brings each member its part of the root's data, by rank. Elsewhere all is not looked at.
func Scatter[E Element](ctx context.Context, n Node, root int, all, mine []E, opts ...Option) error {
	if err := fitsAll(n, root, "all", mine, all); err != nil {
		return err
	}
	b := bytesOf(mine)
	return operate(ctx, n, request{opScatter, root, len(b), len(bytesOf(all)), kindOf[E](), nil, opts}, func(o *op, _ Algorithm, trees []tree) error {
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
	if err := fitsAll(n, -1, "all", mine, all); err != nil {
		return err
	}
	b, a := bytesOf(mine), bytesOf(all)
	return operate(ctx, n, request{opAllGather, -1, len(b), len(a), kindOf[E](), nil, opts}, func(o *op, algo Algorithm, trees []tree) error {
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
	if err := fitsAll(n, -1, "all", mine, all); err != nil {
		return err
	}
	r, err := newReducer(by)
	if err != nil {
		return err
	}
	b, a := bytesOf(mine), bytesOf(all)
	return operate(ctx, n, request{opReduceScatter, -1, len(b), len(a), kindOf[E](), r, opts}, func(o *op, algo Algorithm, trees []tree) error {
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

// AllToAll sends each member its part of out, and receives one from each into its place of in, by rank. All parts are of the same length.
func AllToAll[E Element](ctx context.Context, n Node, out, in []E, opts ...Option) error {
	if m := n.member(); m != nil && m.plan != nil && (len(out) != len(in) || len(out)%m.plan.shape.Len() != 0) {
		return fmt.Errorf("%w: out has %d elements and in %d: both need the same multiple of %d", ErrArgument, len(out), len(in), m.plan.shape.Len())
	}
	b := bytesOf(out)
	return operate(ctx, n, request{opAllToAll, -1, len(b), len(b), kindOf[E](), nil, opts}, func(o *op, _ Algorithm, _ []tree) error {
		return o.allToAll(b, bytesOf(in))
	})
}

// Barrier returns when all members have called it.
func Barrier(ctx context.Context, n Node, opts ...Option) error {
	return operate(ctx, n, request{kind: opBarrier, root: -1, opts: opts}, func(o *op, algo Algorithm, trees []tree) error {
		if algo == Doubling || algo == Ring || algo == Direct {
			return o.barrier()
		}
		return o.treeBarrier(&trees[0])
	})
}
