package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// TangleConfig is for [Tangle].
type TangleConfig struct {
	// Victim is the number of the node that fails; -1 for none.
	Victim int
	// How it fails: error, panic, exit or kill.
	How string
	// After is how long it lives, once it has reached all others.
	After time.Duration
}

// Strand calls all others again and again, and gives up when one does not answer: who fails takes all with it.
type Strand struct {
	id     int
	cfg    TangleConfig
	others []actor.Ref[*Strand]
}

// Touch answers.
func (s *Strand) Touch(context.Context) error { return nil }

func (s *Strand) round(ctx context.Context) error {
	for _, o := range s.others {
		if err := actor.Do0(ctx, o, (*Strand).Touch); err != nil {
			return fmt.Errorf("strand %d lost a neighbour: %w", s.id, err)
		}
	}
	return nil
}

// Run calls until it, or another, fails.
func (s *Strand) Run(ctx context.Context) error {
	if err := s.round(ctx); err != nil {
		return err
	}
	slog.InfoContext(ctx, "tied")
	began := time.Now()
	for ctx.Err() == nil {
		if err := s.round(ctx); err != nil {
			return err
		}
		if s.cfg.Victim == s.id && time.Since(began) > s.cfg.After {
			return s.fail()
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *Strand) fail() error {
	switch s.cfg.How {
	case "panic":
		panic("frayed")
	case "exit":
		os.Exit(9)
	case "kill":
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			return err
		}
		select {}
	}
	return errors.New("frayed")
}

// Tangle has two nodes on each host, all of which need all others.
var Tangle = tlaunch.Define("tangle", func(p *tlaunch.Program, cfg TangleConfig) error {
	var strands []*Strand
	var refs []actor.Ref[*Strand]
	for i := range 2 * len(p.Hosts()) {
		s := &Strand{id: i, cfg: cfg}
		strands = append(strands, s)
		refs = append(refs, tlaunch.Add(p, "strand", s, tlaunch.On(p.Hosts()[i/2])))
	}
	for i, s := range strands {
		s.others = append(append(s.others, refs[:i]...), refs[i+1:]...)
	}
	return nil
})
