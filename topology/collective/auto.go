package collective

import (
	"context"
	"math/rand/v2"
)

// processMark is this process's, for members to find out who is in the same.
var processMark = int64(rand.Uint64() >> 1)

// auto is what a member chooses by. Guarded by its mu.
type auto struct {
	found    []int64   // by all members, as it travels: see finding; empty: nothing was measured
	measures *measures // what follows from it
	chosen   map[asked]Candidate
}

// asked is what a member has chosen for before.
type asked struct {
	op                opKind
	root, size, chunk int
	leaves            uint32 // see setHash
}

// chosenMost is how many answers a member remembers.
const chosenMost = 1024

// Explain has a function told what is expected of the ways to do the operation, before this member begins with it. It is this member's affair: others
// need not give it. Where no operation has used [Auto] and nobody has called [Measure], what is usual is taken for granted.
func Explain(to func(Forecast)) Option { return func(o *options) { o.explain = to } }

// Measure measures the links between the members' hosts, and what messages cost their processors, for [Auto]: all members call it, like an
// operation. It takes about 0.1 s for each doubling of the number of hosts; that many times longer, up to the number of hosts, where these
// share a machine of few processors, and longer over slow links. What was measured before is forgotten. Without it the first operation that uses
// Auto measures.
func Measure(ctx context.Context, n Node) error {
	return operate(ctx, n, request{kind: opMeasure, root: -1, opts: []Option{Using(Direct)}}, func(o *op, _ Algorithm, _ []tree) error {
		return o.measure()
	})
}

// choose is the algorithm and chunk size that an operation takes. given is the caller's chunk size, 0 where there is none.
func (m *Member) choose(ctx context.Context, n Node, r request, set options, given, root int) (Algorithm, int, error) {
	chunk := given
	if chunk == 0 {
		chunk = DefaultChunk
	}
	algo := m.plan.resolve(set.algo, r.kind, r.size)
	if algo != Auto && set.explain == nil {
		return algo, chunk, nil
	}
	if algo == Auto && m.plan.shape.Len() > 1 {
		if err := m.measured(ctx, n); err != nil {
			return 0, 0, err
		}
	}
	q := asked{r.kind, root, r.size, given, setHash(set.leaves, nil)}
	m.mu.Lock()
	known := m.auto.measures
	c, ok := m.auto.chosen[q]
	m.mu.Unlock()
	if ok && algo == Auto && set.explain == nil {
		return c.Algorithm, c.Chunk, nil
	}
	if known == nil {
		known = usual(m.plan.shape)
	}
	f, err := m.plan.forecast(known, r.kind, root, r.size, given, algo, set.leaves...)
	if err != nil {
		return 0, 0, err
	}
	if set.explain != nil {
		set.explain(f)
	}
	if algo != Auto {
		return algo, chunk, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.auto.chosen == nil || len(m.auto.chosen) >= chosenMost {
		m.auto.chosen = map[asked]Candidate{}
	}
	m.auto.chosen[q] = f.Chosen
	return f.Chosen.Algorithm, f.Chosen.Chunk, nil
}

// measured measures, unless that was done: by the others too, where this member was started again.
func (m *Member) measured(ctx context.Context, n Node) error {
	if m.hasMeasures() {
		return nil
	}
	if err := m.usable(ctx); err != nil {
		return err
	}
	if err := m.catchUp(ctx); err != nil || m.hasMeasures() {
		return err
	}
	return Measure(ctx, n)
}

func (m *Member) hasMeasures() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.auto.measures != nil
}
