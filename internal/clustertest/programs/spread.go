package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// SpreadConfig is for [Spread].
type SpreadConfig struct {
	Bytes  int
	Victim int           // the member whose process dies in the first broadcast; -1: none
	After  time.Duration // since it has begun
}

// Spreader is a member of a chain along which the first broadcasts twice.
type Spreader struct {
	collective.Member
	cfg SpreadConfig
}

// Run tells what arrived and who was missing.
func (s *Spreader) Run(ctx context.Context) error {
	if s.Rank() == s.cfg.Victim {
		time.AfterFunc(s.cfg.After, die)
	}
	began := time.Now()
	for round := range 2 {
		data := make([]byte, s.cfg.Bytes/(1+15*round))
		if s.Rank() == 0 {
			fillBytes(data)
		}
		err := collective.Broadcast(ctx, s, 0, data)
		var missing *collective.MissingError
		if err != nil && !errors.As(err, &missing) {
			return err
		}
		want := make([]byte, len(data))
		fillBytes(want)
		if string(want) != string(data) {
			return fmt.Errorf("member %d has something else after broadcast %d", s.Rank(), round)
		}
		var names []string
		if missing != nil {
			names = missing.Members
		}
		slog.InfoContext(ctx, "whole", "rank", s.Rank(), "round", round, "missing", names, "after", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

// die ends the process at once, as a crash does.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
}

func fillBytes(data []byte) {
	for i := range data {
		data[i] = byte(i>>16 + i*13)
	}
}

// Spread has a member on each host; the run goes on while two are left.
var Spread = tlaunch.Define("spread", func(p *tlaunch.Program, cfg SpreadConfig) error {
	group := collective.Over(topology.Chain())
	p.OnFailure("member", tlaunch.KeepAtLeast(2))
	for _, h := range p.Hosts() {
		s := &Spreader{cfg: cfg}
		collective.Join(group, tlaunch.Add(p, "member", s, tlaunch.On(h)), s, h.Name)
	}
	return group.Seal()
})
