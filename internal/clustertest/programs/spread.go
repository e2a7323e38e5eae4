package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// SpreadConfig is for [Spread].
type SpreadConfig struct {
	Bytes  int
	Victim int  // the member whose process dies when half of the second broadcast has come; -1: none
	Again  bool // its host is started again, and takes part once more; else the run goes on without it
}

// Spreader is a member of a chain along which the first broadcasts: twice so many bytes, and then few, until all take part again.
type Spreader struct {
	Mortal
	cfg SpreadConfig
}

// Run tells what arrived and who was missing.
func (s *Spreader) Run(ctx context.Context) error {
	me := s.Shape().Member(s.Rank()).Name
	again := false // it was started again
	last := false  // as the first member knows, and tells the others
	for round := 0; ; round++ {
		size := s.cfg.Bytes
		if round > 1 || again {
			size /= 16
		} else if round == 1 && s.Rank() == s.cfg.Victim {
			s.dieAfter(size / 2)
		}
		data := make([]byte, size)
		if s.Rank() == 0 {
			fillBytes(data)
			data[0], data[1] = byte(round), 0
			if last {
				data[1] = 1
			}
		}
		began := time.Now()
		err := collective.Broadcast(ctx, s, 0, data)
		var missing *collective.MissingError
		if err != nil && !errors.As(err, &missing) {
			return err
		}
		var names []string
		if missing != nil {
			names = missing.Members
		}
		if slices.Contains(names, me) {
			again = true
			continue
		}
		took := time.Since(began)
		want := make([]byte, len(data))
		fillBytes(want)
		if copy(want, data[:2]); string(want) != string(data) {
			return fmt.Errorf("member %d has something else after broadcast %d", s.Rank(), round)
		}
		slog.InfoContext(ctx, "whole", "rank", s.Rank(), "round", data[0], "missing", names, "took", took.Round(time.Millisecond))
		if data[1] == 1 {
			return nil
		}
		last = round > 0 && (len(names) == 0 || !s.cfg.Again)
	}
}

func fillBytes(data []byte) {
	for i := range data {
		data[i] = byte(i>>16 + i*13)
	}
}

// Spread has a member on each host; the run goes on while two are left.
var Spread = tlaunch.Define("spread", func(p *tlaunch.Program, cfg SpreadConfig) error {
	if cfg.Again {
		p.OnFailure("member", tlaunch.Restart(tlaunch.Restarts{Backoff: 100 * time.Millisecond}))
	} else {
		p.OnFailure("member", tlaunch.KeepAtLeast(2))
	}
	return oneOnEach(p, topology.Chain(), func() *Spreader { return &Spreader{cfg: cfg} })
})
