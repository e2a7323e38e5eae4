package topology

import (
	"context"
	"maps"
	"slices"

	"github.com/tartrl/tlaunch-go/topology/collective"
)

// An operation is one that is measured, on n numbers of a member.
type operation struct {
	elements func(n, members int) int // that it is given
	results  func(n, members int) int // and that it fills, where these are others
	do       func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error)
	want     func(c check, i int) float32 // the number in place i of the result
	loads    func(members int) float64    // how often a member's size goes over the busiest link in one direction: at least
	target   float64                      // of the time to the bound
}

// A check is what a result is held against.
type check struct {
	round, rank, members int
	size                 int // of the result, in numbers
}

// value is the number in place i of what a member is given in a round.
func value(round, rank, i int) float32 { return float32((i + round + rank) % 1000) }

// wrong tells whether a result is not what it should be.
func (op operation) wrong(c check, result []float32) bool {
	c.size = len(result)
	for i, x := range result {
		if x != op.want(c, i) {
			return true
		}
	}
	return false
}

// ofEach is the result that has the data of each member.
func ofEach(c check, i int) float32 {
	return value(c.round, i/(c.size/c.members), i%(c.size/c.members))
}

func once(n, _ int) int       { return n }
func none(int, int) int       { return 0 }
func each(n, members int) int { return n * members }

// operations are those that can be asked for.
var operations = map[string]operation{
	"broadcast": {once, none, func(ctx context.Context, m *member, in, _ []float32, opts []collective.Option) ([]float32, error) {
		return in, collective.Broadcast(ctx, m, 0, in, opts...)
	}, func(c check, i int) float32 { return value(c.round, 0, i) }, func(int) float64 { return 1 }, 1.05},
	"all-reduce": {once, none, func(ctx context.Context, m *member, in, _ []float32, opts []collective.Option) ([]float32, error) {
		return in, collective.AllReduce(ctx, m, in, collective.Sum, opts...)
	}, func(c check, i int) (sum float32) {
		for rank := range c.members {
			sum += value(c.round, rank, i) // whole numbers, of which a float32 holds the sum
		}
		return sum
	}, func(n int) float64 { return 2 * float64(n-1) / float64(n) }, 1.10},
	"gather": {once, each, func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
		err := collective.Gather(ctx, m, 0, in, out, opts...)
		if m.Rank() > 0 {
			return nil, err
		}
		return out, err
	}, ofEach, func(n int) float64 { return float64(n - 1) }, 1.08},
	"scatter": {each, once, func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
		return out, collective.Scatter(ctx, m, 0, in, out, opts...)
	}, func(c check, i int) float32 { return value(c.round, 0, c.rank*c.size+i) }, func(n int) float64 { return float64(n - 1) }, 1.08},
	"all-gather": {once, each, func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
		return out, collective.AllGather(ctx, m, in, out, opts...)
	}, ofEach, func(n int) float64 { return float64(n - 1) }, 0},
	"all-to-all": {func(n, members int) int { return n / members * members }, func(n, members int) int { return n / members * members },
		func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
			return out, collective.AllToAll(ctx, m, in, out, opts...)
		}, func(c check, i int) float32 {
			part := c.size / c.members
			return value(c.round, i/part, c.rank*part+i%part)
		}, func(n int) float64 { return float64(n-1) / float64(n) }, 1.25},
	"barrier": {none, none, func(ctx context.Context, m *member, _, _ []float32, opts []collective.Option) ([]float32, error) {
		return nil, collective.Barrier(ctx, m, opts...)
	}, nil, func(int) float64 { return 0 }, 0},
}

func operationNames() []string { return slices.Sorted(maps.Keys(operations)) }
