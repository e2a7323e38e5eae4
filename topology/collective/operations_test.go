package collective_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

const algorithms = int(collective.Auto) + 1

// values are a member's numbers: whole ones, so that their sums are the same in any order.
func values[E collective.Number](seed uint64, rank, n int) []E {
	r := rand.New(rand.NewPCG(seed, uint64(rank)))
	v := make([]E, n)
	for i := range v {
		v[i] = E(r.IntN(2000) - 1000)
	}
	return v
}

// put is what all members' values are together.
func put[E collective.Number](seed uint64, members, n int, f func(a, b E) E) []E {
	all := values[E](seed, 0, n)
	for rank := 1; rank < members; rank++ {
		for i, v := range values[E](seed, rank, n) {
			all[i] = f(all[i], v)
		}
	}
	return all
}

var operationsSeed = flag.Uint64("seed", 0, "seed of TestOperations; 0 takes a new one, and says which")

// Every operation by every algorithm, for 1 to 9 members, with lengths around those of the chunks, while now and then a message is late.
func TestOperations(t *testing.T) {
	kinds := []topology.Kind{topology.Star(), topology.Tree(2), topology.Chain(), topology.Ring(), topology.Net(), topology.Own("wheel", wheel)}
	seed := *operationsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("the same again: -seed %d", seed)
	for members := 1; members <= 9; members++ {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(members)))
			kind, hosts := kinds[(seed+uint64(members))%uint64(len(kinds))], max(1, members*2/3)
			cfg := actor.Config{Encode: members%2 == 0}
			synctest.Test(t, func(t *testing.T) {
				g := newTeam(t, cfg, kind, members, hosts)
				g.delay(r.Uint64())
				for algo := range collective.Auto {
					everyLength(t, g, kind, algo, r)
				}
			})
			everyLength(t, newTeam(t, cfg, kind, members, hosts), kind, collective.Auto, r) // which measures in real time
		})
	}
}

// wheel links everyone with the next, and with the one behind that, in both directions: from each there is a way to all.
func wheel(members []topology.Member) (edges []topology.Edge) {
	for i := range members {
		for _, step := range []int{1, 2, len(members) - 1} {
			if to := (i + step) % len(members); to != i {
				edges = append(edges, topology.Edge{From: i, To: to})
			}
		}
	}
	return edges
}

// everyLength does every operation by an algorithm.
func everyLength(t *testing.T, g *team, kind topology.Kind, algo collective.Algorithm, r *rand.Rand) {
	const chunk = 32 // eight float32
	members := len(g.workers)
	opts := []collective.Option{collective.Using(algo), collective.Chunk(chunk)}
	for _, n := range []int{0, 1, 7, 8, 9, 40 + members} {
		seed := r.Uint64()
		root := int(seed % uint64(members))
		length := n // in bytes
		if n >= 7 && n <= 9 {
			length = chunk + n - 8
		}
		var leaves []int
		for rank := range members {
			if r.IntN(8) == 0 {
				leaves = append(leaves, rank)
			}
		}
		opts := append(slices.Clip(opts), collective.Leaf(leaves...))
		t.Logf("%v by %v of %d numbers, root %d, leaves %v, seed %d", kind, algo, n, root, leaves, seed)
		g.do(func(ctx context.Context, w *worker) error { return moves(ctx, w, members, length, root, seed, opts) })
		g.do(func(ctx context.Context, w *worker) error {
			if err := reductions[float32](ctx, w, members, n, root, seed, opts); err != nil || n != 9 {
				return err
			}
			switch algo % 3 {
			case 0:
				return reductions[int64](ctx, w, members, n, root, seed, opts)
			case 1:
				return reductions[float64](ctx, w, members, n, root, seed, opts)
			}
			return reductions[int32](ctx, w, members, n, root, seed, opts)
		})
	}
}

// same is an error unless two are alike.
func same[E collective.Element](what string, rank int, want, got []E) error {
	if !slices.Equal(want, got) {
		return fmt.Errorf("%s at %d: %v, not %v", what, rank, got, want)
	}
	return nil
}

// moves does what brings data from one place to another.
func moves(ctx context.Context, w *worker, members, n, root int, seed uint64, opts []collective.Option) error {
	rank := w.Rank()
	of := func(rank, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(seed>>(i%8) + uint64(rank*31+i))
		}
		return b
	}
	everyone := func(n int) (all []byte) {
		for r := range members {
			all = append(all, of(r, n)...)
		}
		return all
	}
	data := make([]byte, n)
	if rank == root {
		data = of(root, n)
	}
	if err := collective.Broadcast(ctx, w, root, data, opts...); err != nil {
		return err
	}
	if err := same("broadcast", rank, of(root, n), data); err != nil {
		return err
	}
	var all []byte
	if rank == root {
		all = make([]byte, members*n)
	}
	if err := collective.Gather(ctx, w, root, of(rank, n), all, opts...); err != nil {
		return err
	}
	if rank == root {
		if err := same("gather", rank, everyone(n), all); err != nil {
			return err
		}
	}
	mine := make([]byte, n)
	if err := collective.Scatter(ctx, w, root, all, mine, opts...); err != nil {
		return err
	}
	if err := same("scatter", rank, of(rank, n), mine); err != nil {
		return err
	}
	all = make([]byte, members*n)
	if err := collective.AllGather(ctx, w, mine, all, opts...); err != nil {
		return err
	}
	if err := same("all-gather", rank, everyone(n), all); err != nil {
		return err
	}
	if err := collective.Barrier(ctx, w, opts...); err != nil {
		return err
	}
	out, in := of(rank, members*n), make([]byte, members*n)
	if err := collective.AllToAll(ctx, w, out, in, opts...); err != nil {
		return err
	}
	var want []byte
	for r := range members {
		want = append(want, of(r, members*n)[rank*n:(rank+1)*n]...)
	}
	return same("all-to-all", rank, want, in)
}

// reductions does what puts numbers together.
func reductions[E collective.Number](ctx context.Context, w *worker, members, n, root int, seed uint64, opts []collective.Option) error {
	rank := w.Rank()
	add := func(a, b E) E { return a + b }
	for _, r := range []struct {
		name string
		by   func() collective.Reduction[E]
		f    func(a, b E) E
		over int // by so much all is divided in the end; 0: by nothing
	}{
		{"sum", collective.Sum[E], add, 0},
		{"mean", collective.Mean[E], add, members},
		{"min", collective.Min[E], func(a, b E) E { return min(a, b) }, 0},
		{"max", collective.Max[E], func(a, b E) E { return max(a, b) }, 0},
		{"by", collective.By(larger[E]), larger[E], 0},
	} {
		if r.name != "sum" && n != 9 {
			continue // they differ in nothing that has to do with lengths
		}
		whole := func(n int) []E {
			all := put(seed, members, n, r.f)
			for i := range all {
				if r.over > 0 {
					all[i] /= E(r.over)
				}
			}
			return all
		}
		mine := values[E](seed, rank, n)
		if err := collective.Reduce(ctx, w, root, mine, r.by, opts...); err != nil {
			return err
		}
		want := values[E](seed, rank, n)
		if rank == root {
			want = whole(n)
		}
		if err := same("reduce by "+r.name, rank, want, mine); err != nil {
			return err
		}
		mine = values[E](seed, rank, n)
		if err := collective.AllReduce(ctx, w, mine, r.by, opts...); err != nil {
			return err
		}
		if err := same("all-reduce by "+r.name, rank, whole(n), mine); err != nil {
			return err
		}
		all, part := values[E](seed, rank, members*n), make([]E, n)
		if err := collective.ReduceScatter(ctx, w, all, part, r.by, opts...); err != nil {
			return err
		}
		if err := same("reduce-scatter by "+r.name, rank, whole(members * n)[rank*n:(rank+1)*n], part); err != nil {
			return err
		}
		if err := same("what was reduced and scattered by "+r.name, rank, values[E](seed, rank, members*n), all); err != nil {
			return err
		}
	}
	return nil
}

// larger is the one that is further from 0, and of two the one above it.
func larger[E collective.Number](a, b E) E {
	switch {
	case a*a > b*b:
		return a
	case a*a < b*b:
		return b
	}
	return max(a, b)
}

// Sums of floating-point numbers depend on the order, which is always the same; and all members have the same bits.
func TestSameBits(t *testing.T) {
	const members, n = 7, 1000
	for algo := range algorithms {
		g := newTeam(t, actor.Config{}, topology.Tree(3), members, members)
		var first []float32
		for range 3 {
			results := make([][]float32, members)
			g.do(func(ctx context.Context, w *worker) error {
				r := rand.New(rand.NewPCG(1, uint64(w.Rank())))
				data := make([]float32, n)
				for i := range data {
					data[i] = r.Float32() * float32(int(1)<<r.IntN(20))
				}
				results[w.Rank()] = data
				return collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(collective.Algorithm(algo)), collective.Chunk(256))
			})
			if first == nil {
				first = results[0]
			}
			for _, r := range results {
				require.Equal(t, first, r, "%v", collective.Algorithm(algo))
			}
		}
	}
}

// Values much larger than a window, so that all have to wait for each other.
func TestLargeValues(t *testing.T) {
	const members, n = 4, 3 << 19
	g := newTeam(t, actor.Config{}, topology.Net(), members, members)
	for algo := range algorithms {
		opts := []collective.Option{collective.Using(collective.Algorithm(algo))}
		g.do(func(ctx context.Context, w *worker) error {
			data := make([]int32, n/4)
			for i := range data {
				data[i] = int32(i * (w.Rank() + 1))
			}
			if err := collective.AllReduce(ctx, w, data, collective.Sum, opts...); err != nil {
				return err
			}
			for i := 0; i < len(data); i += 97 {
				if data[i] != int32(i*10) {
					return fmt.Errorf("number %d is %d", i, data[i])
				}
			}
			return collective.Broadcast(ctx, w, 3, data, opts...)
		})
	}
	g.do(func(ctx context.Context, w *worker) error {
		out, in := make([]byte, members*n), make([]byte, members*n)
		return collective.AllToAll(ctx, w, out, in)
	})
}
