package collective_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A result is what an operation left at a member, with who is missing from it.
type result struct {
	numbers []int32
	missing []string
	whole   bool  // the result is that of the others
	err     error // anything else
}

// outcomeOf separates who is missing from other errors.
func outcomeOf(numbers []int32, err error) result {
	r := result{numbers: numbers}
	var missing *collective.MissingError
	if errors.As(err, &missing) {
		r.missing, r.whole = missing.Members, missing.Whole
	} else {
		r.err = err
	}
	return r
}

// A surviving is an operation that goes on without members that end. want is what it leaves at a member, from the numbers of those in it.
type surviving struct {
	name string
	root bool // it has one, rank 0
	do   func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error)
	want func(rank, members, n int, in func(rank int) bool) []int32
}

// of is the number in place i of what a member gives.
func of(rank, i int) int32 { return int32(1000*rank + i + 1) }

func ofAll(rank, n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = of(rank, i)
	}
	return all
}

// sumOf is what the members in it have together.
func sumOf(members, n int, in func(rank int) bool) []int32 {
	sum := make([]int32, n)
	for rank := range members {
		for i := range sum {
			if in(rank) {
				sum[i] += of(rank, i)
			}
		}
	}
	return sum
}

// placesOf has the numbers of those in it in their places, and 0 elsewhere.
func placesOf(members, n int, in func(rank int) bool, of func(rank int) []int32) []int32 {
	all := make([]int32, members*n)
	for rank := range members {
		if in(rank) {
			copy(all[rank*n:], of(rank))
		}
	}
	return all
}

var survivings = []surviving{
	{"gather", true, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		all := make([]int32, w.Shape().Len()*n)
		err := collective.Gather(ctx, w, 0, ofAll(w.Rank(), n), all, opts...)
		return all, err
	}, func(rank, members, n int, in func(rank int) bool) []int32 {
		if rank > 0 {
			return make([]int32, members*n)
		}
		return placesOf(members, n, in, func(rank int) []int32 { return ofAll(rank, n) })
	}},
	{"scatter", true, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		var all []int32
		if w.Rank() == 0 {
			all = ofAll(7, w.Shape().Len()*n)
		}
		mine := make([]int32, n)
		return mine, collective.Scatter(ctx, w, 0, all, mine, opts...)
	}, func(rank, members, n int, _ func(rank int) bool) []int32 {
		return ofAll(7, members*n)[rank*n : (rank+1)*n]
	}},
	{"reduce", true, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		data := ofAll(w.Rank(), n)
		return data, collective.Reduce(ctx, w, 0, data, collective.Sum, opts...)
	}, func(rank, members, n int, in func(rank int) bool) []int32 {
		if rank > 0 {
			return ofAll(rank, n)
		}
		return sumOf(members, n, in)
	}},
	{"all-reduce", false, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		data := ofAll(w.Rank(), n)
		return data, collective.AllReduce(ctx, w, data, collective.Sum, opts...)
	}, func(_, members, n int, in func(rank int) bool) []int32 { return sumOf(members, n, in) }},
	{"all-gather", false, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		all := make([]int32, w.Shape().Len()*n)
		return all, collective.AllGather(ctx, w, ofAll(w.Rank(), n), all, opts...)
	}, func(_, members, n int, in func(rank int) bool) []int32 {
		return placesOf(members, n, in, func(rank int) []int32 { return ofAll(rank, n) })
	}},
	{"reduce-scatter", false, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		mine := make([]int32, n)
		return mine, collective.ReduceScatter(ctx, w, ofAll(w.Rank(), w.Shape().Len()*n), mine, collective.Sum, opts...)
	}, func(rank, members, n int, in func(rank int) bool) []int32 {
		return sumOf(members, members*n, in)[rank*n : (rank+1)*n]
	}},
	{"all-to-all", false, func(ctx context.Context, w *worker, n int, opts ...collective.Option) ([]int32, error) {
		members := w.Shape().Len()
		in := make([]int32, members*n)
		return in, collective.AllToAll(ctx, w, ofAll(w.Rank(), members*n), in, opts...)
	}, func(me, members, n int, in func(rank int) bool) []int32 {
		return placesOf(members, n, in, func(rank int) []int32 { return ofAll(rank, members*n)[me*n : (me+1)*n] })
	}},
	{"barrier", false, func(ctx context.Context, w *worker, _ int, opts ...collective.Option) ([]int32, error) {
		return nil, collective.Barrier(ctx, w, opts...)
	}, func(int, int, int, func(int) bool) []int32 { return nil }},
}

// wreck is a group in a bubble of which some members end after so many messages, and whose messages are late now and then.
type wreck struct {
	*team
	dead  map[int]bool
	dying sync.WaitGroup
}

func newWreck(t *testing.T, kind topology.Kind, members int, seed uint64) *wreck {
	x := &wreck{team: newTeam(t, actor.Config{}, kind, members, max(1, members*2/3)), dead: map[int]bool{}}
	x.delay(seed)
	return x
}

// kill has a member end when it has heard so many messages.
func (x *wreck) kill(rank, messages int) {
	x.dead[rank] = true
	late, left := x.workers[rank].heard, messages
	x.workers[rank].heard = func() {
		late()
		if left--; left == 0 {
			x.dying.Go(func() { _ = x.nodes[rank].Stop(context.Background()) })
		}
	}
	if messages == 0 {
		_ = x.nodes[rank].Stop(context.Background())
	}
}

// check holds what an operation left at the members against what it should be: all who live have the same opinion of who is missing, and
// the result of exactly the others, and know whether there is one.
func (x *wreck) check(op surviving, n int, got []result) error {
	members := len(x.workers)
	first := -1
	for rank, r := range got {
		if x.dead[rank] {
			continue
		}
		if r.err != nil {
			return fmt.Errorf("member %d: %w", rank, r.err)
		}
		if first < 0 {
			first = rank
		}
		if !slices.Equal(got[first].missing, r.missing) {
			return fmt.Errorf("at %d %v are missing, at %d %v", first, got[first].missing, rank, r.missing)
		}
	}
	if first < 0 {
		return nil
	}
	missing := got[first].missing
	if whole := len(missing) > 0 && !(op.root && slices.Contains(missing, "w/0")); got[first].whole != whole {
		return fmt.Errorf("without %v: is the result whole? %v", missing, got[first].whole)
	}
	for _, name := range missing {
		if rank := slices.IndexFunc(x.workers, func(w *worker) bool { return w.Shape().Member(w.Rank()).Name == name }); !x.dead[rank] {
			return fmt.Errorf("%s is missing, and lives", name)
		}
	}
	if op.root && slices.Contains(missing, "w/0") {
		return nil // there is no result
	}
	in := func(rank int) bool { return !slices.Contains(missing, x.workers[rank].Shape().Member(rank).Name) }
	for rank, r := range got {
		if want := op.want(rank, members, n, in); !x.dead[rank] && !slices.Equal(want, r.numbers) {
			return fmt.Errorf("at %d without %v: %v…, not %v…", rank, missing, r.numbers[:min(len(r.numbers), 20)], want[:min(len(want), 20)])
		}
	}
	return nil
}

// Every operation by every algorithm goes on without members that end, at any message, the first and the root among them: those that are left have
// all the same result, which is exactly that of those in it, and can go on afterwards.
func TestDeaths(t *testing.T) {
	kinds := []topology.Kind{topology.Star(), topology.Tree(2), topology.Chain(), topology.Ring(), topology.Net()}
	seed := rand.Uint64()
	for i, op := range survivings {
		for algo := range int(collective.Auto) {
			seed++
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				members := 2 + r.IntN(8)
				x := newWreck(t, kinds[(i+algo)%len(kinds)], members, seed)
				for range 1 + r.IntN(max(1, members/2)) {
					x.kill(r.IntN(members), r.IntN(60))
				}
				for range 3 {
					n, chunk := r.IntN(12), 16
					if r.IntN(2) == 0 { // more than is kept for those who lost somebody at the end
						n, chunk = 4096+n, 4096
					}
					opts := []collective.Option{collective.Using(collective.Algorithm(algo)), collective.Chunk(chunk)}
					got := make([]result, members)
					x.all(func(ctx context.Context, w *worker) error {
						numbers, err := op.do(ctx, w, n, opts...)
						got[w.Rank()] = outcomeOf(numbers, err)
						return nil
					})
					if err := x.check(op, n, got); err != nil {
						t.Errorf("%s, %v, %d members, %v end, seed %d: %v", op.name, collective.Algorithm(algo), members, x.dead, seed, err)
					}
				}
				x.dying.Wait()
			})
		}
	}
}

// A broadcast does so by itself: whoever ends in it, at any chunk, all others have everything, and nobody is named who lives.
func TestBroadcastWithDeaths(t *testing.T) {
	seed := rand.Uint64()
	for algo := range int(collective.Auto) {
		for range 3 {
			seed++
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				members := 2 + r.IntN(8)
				x := newWreck(t, topology.Tree(3), members, seed)
				for range 1 + r.IntN(members/2+1) {
					x.kill(1+r.IntN(members-1), r.IntN(30))
				}
				x.all(func(ctx context.Context, w *worker) error {
					data := make([]int32, 100)
					if w.Rank() == 0 {
						data = ofAll(5, 100)
					}
					got := outcomeOf(data, collective.Broadcast(ctx, w, 0, data, collective.Using(collective.Algorithm(algo)), collective.Chunk(16)))
					if x.dead[w.Rank()] {
						return nil
					}
					for rank := range members {
						if !x.dead[rank] && slices.Contains(got.missing, fmt.Sprint("w/", rank)) {
							t.Errorf("%v, %d members, %v end, seed %d: at %d %v are missing", collective.Algorithm(algo), members, x.dead, seed, w.Rank(), got.missing)
						}
					}
					if got.err != nil || !slices.Equal(ofAll(5, 100), data) {
						t.Errorf("%v, %d members, %v end, seed %d: at %d %v: %v", collective.Algorithm(algo), members, x.dead, seed, w.Rank(), got.err, data)
					}
					return nil
				})
				x.dying.Wait()
			})
		}
	}
}
