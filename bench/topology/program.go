package topology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/internal/cputime"
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
	// Seconds of all members' processors, by round; and how busy those of the busiest host were meanwhile, 0 to 1.
	Processors []float64
	Busy       float64
	Expected   float64 // seconds
	Taken      string  // what auto takes
	Forecast   string  // why, for people
	Link       string  // of the first member's host
	Goodput    float64 // bytes per second of a plain TCP stream from the first member to the second, before
	Wrong      int     // results that were not what they should be: of a member in a round

	ways []collective.Candidate // what is expected of all, where that decides who is measured
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
	if m.cfg.Bare {
		return m.bare(ctx)
	}
	if m.cfg.Most > 0 { // so that this is in the time of no way
		if err := collective.Measure(ctx, m); err != nil {
			return err
		}
	}
	link, goodput := linkText(), 0.0 // the first member knows it
	for i, size := range m.cfg.Sizes {
		for k, name := range m.cfg.Operations {
			if i+k == 0 || m.cfg.Most == 0 {
				var err error
				if goodput, err = m.goodput(ctx); err != nil {
					return err
				}
			}
			var first outcome
			for _, algorithm := range m.cfg.Algorithms {
				if algorithm == bareChain && name != "broadcast" || m.cfg.Most > 0 && first.hopeless(algorithm) {
					continue
				}
				o := outcome{Operation: name, Algorithm: algorithm, Size: size, Goodput: goodput, Link: link}
				if err := m.measure(ctx, &o); err != nil {
					return err
				}
				if first.Algorithm == "" {
					first = o
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
func (m *member) measure(ctx context.Context, o *outcome) (err error) {
	op := operations[o.Operation]
	members := m.Shape().Len()
	in := make([]float32, op.elements(o.Size/4, members))
	out := make([]float32, op.results(o.Size/4, members))
	opts := []collective.Option{collective.Using(algorithms[o.Algorithm]), collective.Chunk(m.cfg.Chunk)}
	explained := opts
	do := op.do
	if o.Algorithm == bareChain {
		var r *relay
		if r, err = m.openRelay(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.close()) }()
		do = func(ctx context.Context, _ *member, in, _ []float32, _ []collective.Option) ([]float32, error) {
			return in, r.pass(ctx, in)
		}
	} else if m.Rank() == 0 || m.cfg.Most > 0 {
		explained = append(slices.Clone(opts), collective.Explain(func(f collective.Forecast) {
			o.Expected, o.Forecast, o.ways = f.Chosen.Time.Seconds(), f.String(), f.Candidates
			if algorithms[o.Algorithm] == collective.Auto {
				o.Taken = fmt.Sprintf("%s, %s", strings.ToLower(f.Chosen.Algorithm.String()), sizeText(f.Chosen.Chunk))
			}
		}))
	}
	ticks := make([]figures.Processors, members)
	rounds := m.cfg.Rounds
	if o.Size < 1<<20 && m.cfg.Small > 0 {
		rounds = m.cfg.Small
	}
	for round := 0; round <= rounds; round++ {
		for i := range in {
			in[i] = value(round, m.Rank(), i)
		}
		if err := collective.Barrier(ctx, m); err != nil {
			return err
		}
		before, used, began := busyNow(o), cputime.Used(), time.Now()
		given := opts
		if round == 0 { // reckoning takes a time that does not count
			given = explained
		}
		result, err := do(ctx, m, in, out, given)
		if err != nil {
			return err
		}
		mine := share{took: time.Since(began), used: cputime.Used() - used}
		after := busyNow(o)
		mine.busy, mine.all = after.Busy-before.Busy, after.All-before.All
		mine.wrong = op.wrong(check{round: round, rank: m.Rank(), members: members}, result)
		all := make([]int64, shareLen*members)
		if err := collective.AllGather(ctx, m, mine.pack(), all); err != nil {
			return err
		}
		if round == 0 {
			rounds = m.cfg.affordable(rounds, slowestIn(all))
		}
		if round > 0 || rounds == 0 {
			o.add(all, ticks)
		}
	}
	for _, t := range ticks {
		o.Busy = max(o.Busy, t.Since(figures.Processors{}))
	}
	return nil
}

// busyNow reads how busy the processors are. For what takes milliseconds it does not: they are counted in hundredths of a second, and reading costs as much
// as a barrier.
func busyNow(o *outcome) figures.Processors {
	if o.Size < 1<<20 || o.Operation == "barrier" {
		return figures.Processors{}
	}
	return figures.ProcessorsNow()
}

// A share is what one member has found in one round.
type share struct {
	took, used time.Duration
	busy, all  int64 // ticks of its host's processors
	wrong      bool
}

const shareLen = 5

func (s share) pack() []int64 {
	wrong := int64(0)
	if s.wrong {
		wrong = 1
	}
	return []int64{int64(s.took), int64(s.used), s.busy, s.all, wrong}
}

// add adds a round, of which all members have told.
func (o *outcome) add(all []int64, ticks []figures.Processors) {
	used := int64(0)
	for rank := range ticks {
		s := all[rank*shareLen : (rank+1)*shareLen]
		used += s[1]
		ticks[rank].Busy += s[2]
		ticks[rank].All += s[3]
		o.Wrong += int(s[4])
	}
	o.Seconds = append(o.Seconds, slowestIn(all))
	o.Processors = append(o.Processors, time.Duration(used).Seconds())
}

// linkText is what figures depend on of a host: its first network device that is no loopback, and its kernel.
func linkText() string {
	text := "loopback"
	if all, err := net.Interfaces(); err == nil {
		for _, i := range all {
			if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
				text = fmt.Sprintf("%s, MTU %d", i.Name, i.MTU)
				break
			}
		}
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		text += ", kernel " + strings.TrimSpace(string(kernel))
	}
	return text
}
