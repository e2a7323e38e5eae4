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
	alike    bool                      // all members have the same afterwards
	loads    func(members int) float64 // how often a member's size goes over the busiest link in one direction: at least
	target   float64                   // of the time to the bound
}

func once(n, _ int) int       { return n }
func none(int, int) int       { return 0 }
func each(n, members int) int { return n * members }

// operations are those that can be asked for.
var operations = map[string]operation{
	"broadcast": {once, none, func(ctx context.Context, m *member, in, _ []float32, opts []collective.Option) ([]float32, error) {
		return in, collective.Broadcast(ctx, m, 0, in, opts...)
	}, true, func(int) float64 { return 1 }, 1.05},
	"all-reduce": {once, none, func(ctx context.Context, m *member, in, _ []float32, opts []collective.Option) ([]float32, error) {
		return in, collective.AllReduce(ctx, m, in, collective.Sum, opts...)
	}, true, func(n int) float64 { return 2 * float64(n-1) / float64(n) }, 1.10},
	"gather": {once, each, func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
		return out, collective.Gather(ctx, m, 0, in, out, opts...)
	}, false, func(n int) float64 { return float64(n - 1) }, 1.08},
	"scatter": {each, once, func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
		return out, collective.Scatter(ctx, m, 0, in, out, opts...)
	}, false, func(n int) float64 { return float64(n - 1) }, 1.08},
	"all-gather": {once, each, func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
		return out, collective.AllGather(ctx, m, in, out, opts...)
	}, true, func(n int) float64 { return float64(n - 1) }, 0},
	"all-to-all": {func(n, members int) int { return n / members * members }, func(n, members int) int { return n / members * members },
		func(ctx context.Context, m *member, in, out []float32, opts []collective.Option) ([]float32, error) {
			return out, collective.AllToAll(ctx, m, in, out, opts...)
		}, false, func(n int) float64 { return float64(n-1) / float64(n) }, 1.25},
	"barrier": {none, none, func(ctx context.Context, m *member, _, _ []float32, opts []collective.Option) ([]float32, error) {
		return nil, collective.Barrier(ctx, m, opts...)
	}, true, func(int) float64 { return 0 }, 0},
}

func operationNames() []string { return slices.Sorted(maps.Keys(operations)) }
