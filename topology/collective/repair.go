package collective

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// How an operation goes on without members that end. It is tried; who finds that a member is gone tells all others, and those who are not through yet agree on
// what follows (agree.go): all have the result, somehow, or it is tried again by those that are left. Attempts and agreements are rounds of one operation. Who
// is through may have gone on to other things, and takes no part in that: so nobody may be before the result is certain for all, see ending.

// NeedAll has an operation fail at all members that are not through with it when one is missing, instead of going on without that one: nobody then waits at its end until the
// others have the result, and nothing is copied. [Broadcast] goes on anyway, as that costs it nothing; a [Stream], [StreamGather] or [StreamScatter] never does.
func NeedAll() Option { return func(o *options) { o.needAll = true } }

// keptBytes is up to which size results that are the same at all members are kept by those that are through, for others that lost a member at the very end.
const keptBytes = 16 << 10

// A task is an operation as it is tried.
type task struct {
	m       *Member
	sig     signature
	root    int // -1: anyone
	leaves  []int
	repairs bool
	run     func(o *op, algo Algorithm, trees []tree) error

	result []byte   // what is the same at all members when it is done
	places []byte   // where it puts something of each member
	saved  *savings // of what it overwrites and would need again; nil: nothing
}

// goesOn tells whether an operation goes on without members that end.
func (k opKind) goesOn() bool { return k != opBroadcast && !k.isStream() && k != opMeasure }

// do tries until all that are left have the result.
func (t *task) do(ctx context.Context) error {
	var gone []int
	var last *op
	for {
		o, err := t.attempt(ctx, last, gone)
		if o == nil || err != nil && !o.onward {
			return err // nothing was begun, or all members get an error
		}
		if err == nil {
			return t.missing(o, gone, true)
		}
		a, v, disagreed := t.agree(ctx, o, gone, err)
		switch {
		case disagreed != nil:
			return disagreed
		case v.Have && (o.have || t.needsNothing()):
			return t.missing(a, gone, true)
		case v.Have && len(v.Result) == len(t.result) && t.keeps():
			copy(t.result, v.Result)
			return t.missing(a, gone, true)
		case v.Have:
			return fmt.Errorf("operation %d, the %v, at %s: %w: the others have the result, and this was not reached by them", a.count(), t.sig.op, t.m.plan.name(t.m.rank), ErrLost)
		}
		gone = union(gone, v.Missing)
		if !a.onward {
			return cmp.Or(t.missing(a, gone, false), err)
		}
		t.prepare(gone)
		last = a
	}
}

// attempt tries the operation without those who are gone: as the next round of an operation, or as a new one. The op is nil where none was begun.
func (t *task) attempt(ctx context.Context, last *op, gone []int) (*op, error) {
	sig, p := t.sig, t.m.plan
	sig.root = uint32(t.rootWithout(gone))
	sig.set = setHash(t.leaves, gone)
	trees, err := p.treesWithout(sig.algo, int(sig.root), gone, t.leaves)
	if err != nil {
		return nil, err
	}
	o, err := t.m.begin(ctx, last, gone, sig, nil)
	if err != nil {
		return nil, err
	}
	o.repairs, o.saved = t.repairs, t.saved
	err = t.run(o, sig.algo, trees)
	if err == nil && t.repairs {
		o.has()
		if t.keeps() {
			o.result = slices.Clone(t.result)
		}
		err = t.conclude(o)
	}
	return o, o.end(err)
}

// has notes that this member has its result.
func (o *op) has() {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.have = true
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

// prepare makes the caller's slices ready for an attempt without those who are gone.
func (t *task) prepare(gone []int) {
	t.saved.restore()
	each := len(t.places) / t.m.plan.shape.Len()
	for _, rank := range gone {
		clear(t.places[rank*each : (rank+1)*each])
	}
}

// needsNothing tells whether this member only gives.
func (t *task) needsNothing() bool {
	toRoot := t.sig.op == opGather || t.sig.op == opReduce
	return t.sig.op == opBarrier || toRoot && t.root != t.m.rank
}

// missing is the error that names members without whom the operation was done, nil for none.
func (t *task) missing(o *op, ranks []int, whole bool) error {
	if len(ranks) == 0 {
		return nil
	}
	e := &MissingError{Whole: whole}
	for _, rank := range ranks {
		e.Members = append(e.Members, t.m.plan.name(rank))
	}
	return fmt.Errorf("operation %d, the %v, at %s: %w", o.count(), t.sig.op, t.m.plan.name(t.m.rank), e)
}

// missingRanks is who is missing by an error.
func (p *plan) missingRanks(err error) (ranks []int) {
	var missing *MissingError
	if !errors.As(err, &missing) {
		return nil
	}
	for rank := range p.shape.Len() {
		if slices.Contains(missing.Members, p.name(rank)) {
			ranks = append(ranks, rank)
		}
	}
	return ranks
}

func union(a, b []int) []int {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}
