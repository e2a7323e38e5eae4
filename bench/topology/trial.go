package topology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// trialConfig goes to every process of a trial: a run in which something happens to a member, or is looked at in each.
type trialConfig struct {
	Kind   string // one of trialKinds
	Size   int
	Rounds int
	Chosen int // the member to which it happens; -1: none
}

const (
	trialBroadcast = "broadcast" // the chosen one, if any, is a leaf
	trialKilled    = "killed"    // its process ends at half way
	trialPublish   = "publish"
	trialMemory    = "memory"
)

// aside is the node of a trial.
type aside struct {
	member
	trial trialConfig
}

// trials has a member on each host. The run goes on without a process that is killed.
var trials = tlaunch.Define("bench-topology-trial", func(p *tlaunch.Program, cfg trialConfig) error {
	group := collective.Over(topology.Net())
	p.OnFailure("member", tlaunch.KeepAtLeast(1))
	for _, h := range p.Hosts() {
		a := &aside{trial: cfg}
		collective.Join(group, tlaunch.Add(p, "member", a, tlaunch.On(h)), a, h.Name)
	}
	return group.Seal()
})

// A finding is what one member tells of a trial.
type finding struct {
	Rank        int
	Undisturbed float64   // seconds of the slowest member, in the median of the rounds before
	Seconds     []float64 // of this one's part, by round
	Wrong       bool
	Missing     []string // whom it has missed
	Growth      float64  // of its resident memory at its peak, in bytes
	Sent        uint64   // bytes of data, to readers
	Published   int
	Reads       []read
}

// A read is when a member had a version.
type read struct {
	Number uint64
	At     int64 // nanoseconds of its clock
}

// Run takes part, and tells what it found.
func (a *aside) Run(ctx context.Context) error {
	f := finding{Rank: a.Rank()}
	do := map[string]func(context.Context, *finding) error{trialBroadcast: a.broadcasts, trialKilled: a.isKilled, trialPublish: a.publishes, trialMemory: a.remembers}[a.trial.Kind]
	if do == nil {
		return fmt.Errorf("%q is no trial", a.trial.Kind)
	}
	if err := do(ctx, &f); err != nil {
		return err
	}
	return tell(ctx, f)
}

// timed does the rounds, of which the first does not count, each behind a barrier.
func (a *aside) timed(ctx context.Context, f *finding, data []byte, opts ...collective.Option) error {
	for round := range a.trial.Rounds + 1 {
		a.fill(data, round)
		if err := collective.Barrier(ctx, a); err != nil {
			return err
		}
		began := time.Now()
		if err := collective.Broadcast(ctx, a, 0, data, opts...); err != nil {
			return err
		}
		if round > 0 {
			f.Seconds = append(f.Seconds, time.Since(began).Seconds())
		}
		f.Wrong = f.Wrong || !filled(data, round)
	}
	return nil
}

func (a *aside) broadcasts(ctx context.Context, f *finding) error {
	opts := []collective.Option{collective.Using(collective.Auto)}
	if a.trial.Chosen >= 0 {
		opts = append(opts, collective.Leaf(a.trial.Chosen))
	}
	return a.timed(ctx, f, make([]byte, a.trial.Size), opts...)
}

// isKilled broadcasts undisturbed first, which says when half of the time is over.
func (a *aside) isKilled(ctx context.Context, f *finding) error {
	data, auto := make([]byte, a.trial.Size), collective.Using(collective.Auto)
	if err := a.timed(ctx, f, data, auto); err != nil {
		return err
	}
	all := make([]float64, a.Shape().Len()*a.trial.Rounds)
	if err := collective.AllGather(ctx, a, f.Seconds, all); err != nil {
		return err
	}
	slowest := make([]float64, a.trial.Rounds)
	for i, s := range all {
		slowest[i%a.trial.Rounds] = max(slowest[i%a.trial.Rounds], s)
	}
	f.Undisturbed, f.Seconds = figures.SpreadOf(slowest).Median, nil
	round := a.trial.Rounds + 1
	a.fill(data, round)
	if err := collective.Barrier(ctx, a); err != nil {
		return err
	}
	if a.Rank() == a.trial.Chosen {
		end := time.AfterFunc(time.Duration(f.Undisturbed/2*float64(time.Second)), die)
		defer end.Stop()
	}
	began := time.Now()
	err := collective.Broadcast(ctx, a, 0, data, auto)
	f.Seconds = []float64{time.Since(began).Seconds()}
	var missing *collective.MissingError
	if errors.As(err, &missing) {
		f.Missing, err = missing.Members, nil
	}
	f.Wrong = f.Wrong || !filled(data, round)
	return err
}

// die ends the process at once, as a crash does.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
}

// fill makes the data of a round at the first member, and removes that of the one before elsewhere.
func (a *aside) fill(data []byte, round int) {
	for i := range data {
		data[i] = 0
		if a.Rank() == 0 {
			data[i] = pattern(round, i)
		}
	}
}

func filled(data []byte, round int) bool {
	for i, b := range data {
		if b != pattern(round, i) {
			return false
		}
	}
	return true
}

func pattern(round, i int) byte { return byte(i>>16 + i*13 + round + 1) }

// remembers streams along a chain what no member keeps.
func (a *aside) remembers(ctx context.Context, f *finding) error {
	if err := collective.Barrier(ctx, a); err != nil {
		return err
	}
	before, err := figures.ReadMemory(true)
	if err != nil {
		return err
	}
	if err := collective.Barrier(ctx, a); err != nil {
		return err
	}
	n, err := collective.Stream(ctx, a, 0, io.LimitReader(zeros{}, int64(a.trial.Size)), io.Discard, collective.Using(collective.Chain))
	if err != nil {
		return err
	}
	after, err := figures.ReadMemory(false)
	f.Growth, f.Wrong = after.Peak-before.Begin, n != int64(a.trial.Size)
	return err
}

// zeros reads nothing but these.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// publishes has the first member publish versions twice as fast as a link carries them, and all others read.
func (a *aside) publishes(ctx context.Context, f *finding) error {
	perSecond, err := a.goodput(ctx)
	if err != nil {
		return err
	}
	if a.Rank() == 0 {
		return a.publish(ctx, f, time.Duration(float64(a.trial.Size)/perSecond/2*float64(time.Second)))
	}
	r, err := collective.NewReader(ctx, a, 0, "weights")
	if err != nil {
		return err
	}
	for {
		last := uint64(0)
		if len(f.Reads) > 0 {
			last = f.Reads[len(f.Reads)-1].Number
		}
		v, err := r.Next(ctx, last)
		if errors.Is(err, collective.ErrEnded) && ctx.Err() == nil {
			return r.Close(ctx)
		}
		if err != nil {
			return err
		}
		f.Reads = append(f.Reads, read{v.Number, time.Now().UnixNano()})
		numbers, err := tensor.Values[int64](v.Tensors["weights"])
		if len(f.Reads) == 1 {
			if err := collective.Barrier(ctx, a); err != nil {
				return err
			}
		}
		f.Wrong = f.Wrong || err != nil || v.Number <= last || slices.ContainsFunc(numbers, func(n int64) bool { return n != numbers[0] })
	}
}

func (a *aside) publish(ctx context.Context, f *finding, every time.Duration) error {
	p, err := collective.NewPublisher(ctx, a, "weights")
	if err != nil {
		return err
	}
	data := make([]int64, a.trial.Size/8)
	ticks := time.NewTicker(max(every, time.Millisecond))
	defer ticks.Stop()
	for version := range a.trial.Rounds {
		for i := range data {
			data[i] = int64(version + 1)
		}
		if _, err := p.Publish(map[string]tensor.Tensor{"weights": tensor.Of(data)}); err != nil {
			return err
		}
		f.Published++
		if version == 0 { // all are to have come: who comes after the end finds nothing
			if err := collective.Barrier(ctx, a); err != nil {
				return err
			}
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err = p.Close(ctx)
	f.Sent = p.Stats().SentBytes
	return err
}

// tell tells a finding to whoever has launched the trial.
func tell(ctx context.Context, f finding) error {
	text, err := json.Marshal(f)
	if err == nil {
		slog.InfoContext(ctx, said, "finding", string(text))
	}
	return err
}
