package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync/atomic"
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
	collective.Member
	cfg  SpreadConfig
	left atomic.Int64 // bytes that come before the process dies; 0: it does not
}

// Collective takes what the members send, and dies of it.
func (s *Spreader) Collective(ctx context.Context, message []byte) error {
	s.came(len(message))
	return s.Member.Collective(ctx, message)
}

// CollectiveLane does the same with what comes on a lane.
func (s *Spreader) CollectiveLane(ctx context.Context, conn net.Conn) error {
	return s.Member.CollectiveLane(ctx, &weighed{conn, s})
}

func (s *Spreader) came(n int) {
	if left := s.left.Load(); left > 0 && s.left.Add(-int64(n)) <= 0 {
		die()
	}
}

// weighed is a connection that tells how much has come.
type weighed struct {
	net.Conn
	s *Spreader
}

func (w *weighed) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.s.came(n)
	return n, err
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
			s.left.Store(int64(size / 2))
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
	if cfg.Again {
		p.OnFailure("member", tlaunch.Restart(tlaunch.Restarts{Backoff: 100 * time.Millisecond}))
	} else {
		p.OnFailure("member", tlaunch.KeepAtLeast(2))
	}
	for _, h := range p.Hosts() {
		s := &Spreader{cfg: cfg}
		collective.Join(group, tlaunch.Add(p, "member", s, tlaunch.On(h)), s, h.Name)
	}
	return group.Seal()
})
