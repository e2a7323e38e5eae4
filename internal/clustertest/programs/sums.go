package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// SumsConfig is for [Sums].
type SumsConfig struct {
	Bytes   int   // that each member has
	Victims []int // the member whose process dies in the first sum, and the one in the second
}

// Summer is a member of a group that puts numbers together: around a ring, along two trees, and as that is done by default.
type Summer struct {
	Mortal
	cfg SumsConfig
}

// Run tells who was missing, and which bits it has. What it has must be the sum of what all others had.
func (s *Summer) Run(ctx context.Context) error {
	for round, algo := range []collective.Algorithm{collective.Ring, collective.DoubleTree, collective.ByShape} {
		data := make([]float64, s.cfg.Bytes/8)
		weight := weightOf(s.Rank())
		for i := range data {
			data[i] = numberAt(i) * weight
		}
		if round < len(s.cfg.Victims) && s.cfg.Victims[round] == s.Rank() {
			s.dieAfter(s.cfg.Bytes / 2) // everybody gets as much as its own at least
		}
		began := time.Now()
		err := collective.AllReduce(ctx, s, data, collective.Sum, collective.Using(algo))
		took := time.Since(began)
		var missing *collective.MissingError
		if err != nil && (!errors.As(err, &missing) || !missing.Whole) {
			return err
		}
		var names []string
		if missing != nil {
			names = missing.Members
		}
		bits, err := s.check(data, names)
		if err != nil {
			return fmt.Errorf("in round %d, without %q: %w", round, names, err)
		}
		slog.InfoContext(ctx, "summed", "rank", s.Rank(), "round", round, "missing", strings.Join(names, ","), "bits", fmt.Sprintf("%016x", bits), "took", took.Round(time.Millisecond))
	}
	return nil
}

// check tells what is wrong with a sum without some members, and otherwise what tells its bits from others.
func (s *Summer) check(data []float64, without []string) (bits uint64, err error) {
	weight := 0.0
	for rank := range s.Shape().Len() {
		if !slices.Contains(without, s.Shape().Member(rank).Name) {
			weight += weightOf(rank)
		}
	}
	for i, n := range data {
		if want := numberAt(i) * weight; math.Abs(n-want) > 1e-12*want {
			return 0, fmt.Errorf("member %d has %v in place %d, and not %v", s.Rank(), n, i, want)
		}
		bits = bits*31 + math.Float64bits(n)
	}
	return bits, nil
}

// numberAt is in a place of all members' numbers, each of which has it with a weight of its own: of the sum is seen whose numbers are in it, and its last bits
// depend on the order in which they were put together.
func numberAt(i int) float64 { return float64(1+i%97) / 3 }

func weightOf(rank int) float64 { return math.Pow(10, float64(rank)) }

// Sums has a member on each host; the run goes on while two are left.
var Sums = tlaunch.Define("sums", func(p *tlaunch.Program, cfg SumsConfig) error {
	p.OnFailure("member", tlaunch.KeepAtLeast(2))
	return oneOnEach(p, topology.Ring(), func() *Summer { return &Summer{cfg: cfg} })
})
