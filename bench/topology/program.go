package topology

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// member is a node that takes part in what is measured. Rank 0 tells what was found.
type member struct {
	collective.Member
	cfg programConfig
}

// everyone has a member on each host.
var everyone = tlaunch.Define("bench-topology", func(p *tlaunch.Program, cfg programConfig) error {
	group := collective.Over(topology.Net())
	for _, h := range p.Hosts() {
		m := &member{cfg: cfg}
		collective.Join(group, tlaunch.Add(p, "member", m, tlaunch.On(h)), m, h.Name)
	}
	return group.Seal()
})

// outcome is what rank 0 tells of one operation by one algorithm with one size.
type outcome struct {
	Operation string
	Algorithm string
	Size      int
	Seconds   []float64 // of the slowest member, by round
	Goodput   float64   // bytes per second of a plain TCP stream from the first member to the second, before
	Wrong     int       // results that were not what they should be: of a member in a round
}

// said is the message of the records that carry an outcome.
const said = "measured"

func (m *member) Run(ctx context.Context) error {
	if m.cfg.Profiles != "" {
		f, err := os.Create(filepath.Join(m.cfg.Profiles, fmt.Sprintf("member-%d.pprof", m.Rank())))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, size := range m.cfg.Sizes {
		for _, name := range m.cfg.Operations {
			goodput, err := m.goodput(ctx)
			if err != nil {
				return err
			}
			for _, algorithm := range m.cfg.Algorithms {
				o := outcome{Operation: name, Algorithm: algorithm, Size: size, Goodput: goodput}
				if err := m.measure(ctx, &o); err != nil {
					return err
				}
				if m.Rank() > 0 {
					continue
				}
				text, err := json.Marshal(o)
				if err != nil {
					return err
				}
				slog.InfoContext(ctx, said, "outcome", string(text))
			}
		}
	}
	return nil
}

// measure does the rounds of one case; the first does not count.
func (m *member) measure(ctx context.Context, o *outcome) error {
	op := operations[o.Operation]
	members := m.Shape().Len()
	in := make([]float32, op.elements(o.Size/4, members))
	out := make([]float32, op.results(o.Size/4, members))
	opts := []collective.Option{collective.Using(algorithms[o.Algorithm]), collective.Chunk(m.cfg.Chunk)}
	for round := range m.cfg.Rounds + 1 {
		for i := range in {
			in[i] = value(round, m.Rank(), i)
		}
		if err := collective.Barrier(ctx, m); err != nil {
			return err
		}
		began := time.Now()
		result, err := op.do(ctx, m, in, out, opts)
		if err != nil {
			return err
		}
		mine := []int64{int64(time.Since(began)), 0}
		if op.wrong(check{round: round, rank: m.Rank(), members: members}, result) {
			mine[1] = 1
		}
		all := make([]int64, 2*members)
		if err := collective.AllGather(ctx, m, mine, all); err != nil {
			return err
		}
		if round == 0 {
			continue
		}
		slowest := int64(0)
		for rank := range members {
			slowest = max(slowest, all[2*rank])
			o.Wrong += int(all[2*rank+1])
		}
		o.Seconds = append(o.Seconds, time.Duration(slowest).Seconds())
	}
	return nil
}
