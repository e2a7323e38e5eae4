package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// PhoenixConfig is for [Phoenix].
type PhoenixConfig struct {
	// Lives is how many lives of the phoenix each caller is to see.
	Lives int
	// Max is how often it is started again within a minute; zero: not at all.
	Max int
	// Keep lets the run go on without it.
	Keep bool
	// Own is how the phoenix ends each of its lives by itself: exit or fail; empty: it does not.
	Own string
}

// Bird is the node that dies. It keeps what it was sent, by sender, in one life.
type Bird struct {
	life uint64
	own  string
	got  map[string][]int
}

// Note is one message of a sender's.
type Note struct {
	From   string
	Number int
}

// Receipt says which life has taken a note.
type Receipt struct{ Life uint64 }

// Start begins a life.
func (b *Bird) Start(ctx context.Context) error {
	b.life, b.got = rand.Uint64(), map[string][]int{}
	slog.InfoContext(ctx, "alive", "life", b.life)
	return nil
}

// Run may end the life.
func (b *Bird) Run(ctx context.Context) error {
	switch b.own {
	case "fail":
		return errors.New("burnt out")
	case "exit":
		os.Exit(7)
	}
	return nil
}

// Take keeps a note.
func (b *Bird) Take(_ context.Context, n Note) (Receipt, error) {
	b.got[n.From] = append(b.got[n.From], n.Number)
	return Receipt{b.life}, nil
}

// Taken is what a sender's notes of this life are.
func (b *Bird) Taken(_ context.Context, from string) ([]int, error) { return b.got[from], nil }

// Sender sends numbered notes, many at a time, and holds the bird's lives to what they must keep: each note is taken
// once, in order, and none that was meant for an earlier life.
type Sender struct {
	bird  actor.Ref[*Bird]
	lives int
}

// Run sends until it has seen as many lives as it should.
func (s *Sender) Run(ctx context.Context) error {
	var failed []int
	var current uint64
	lives, number, inRow := 0, 0, 0
	for after := 0; after < 5; {
		var futures []*actor.Future[Receipt]
		first := number + 1
		for range 16 {
			number++
			futures = append(futures, actor.Go(ctx, s.bird, (*Bird).Take, Note{actor.Self(ctx), number}))
		}
		for i, f := range futures {
			r, err := f.Wait(ctx)
			switch {
			case errors.Is(err, actor.ErrPeerGone):
				failed = append(failed, first+i)
				if inRow++; inRow > 1000 {
					return err
				}
			case err != nil:
				return fmt.Errorf("note %d: %w", first+i, err)
			case r.Life != current:
				current, inRow = r.Life, 0
				lives++
				slog.InfoContext(ctx, "seen", "lives", lives, "lost", len(failed))
			}
		}
		if lives >= s.lives {
			after++
		}
	}
	taken, err := actor.Call(ctx, s.bird, (*Bird).Taken, actor.Self(ctx))
	if err != nil {
		return err
	}
	return s.check(ctx, taken, failed, number)
}

func (s *Sender) check(ctx context.Context, taken, failed []int, last int) error {
	lost := map[int]bool{}
	for _, n := range failed {
		lost[n] = true
	}
	for i, n := range taken {
		if n != taken[0]+i {
			return fmt.Errorf("the last life took %d after %d", n, taken[max(i-1, 0)])
		}
		if lost[n] {
			return fmt.Errorf("the last life took %d, which was told to be gone with an earlier one", n)
		}
	}
	if len(taken) == 0 || taken[len(taken)-1] != last {
		return fmt.Errorf("the last life took %d notes, and not the last, %d", len(taken), last)
	}
	slog.InfoContext(ctx, "content", "notes", last, "lost", len(failed))
	return nil
}

// Phoenix has a bird on the second host, to which each other host has a sender.
var Phoenix = tlaunch.Define("phoenix", func(p *tlaunch.Program, cfg PhoenixConfig) error {
	var policies []tlaunch.Policy
	if cfg.Max != 0 {
		policies = append(policies, tlaunch.Restart(tlaunch.Restarts{Max: cfg.Max}))
	}
	if cfg.Keep {
		policies = append(policies, tlaunch.KeepAtLeast(0))
	}
	hosts := p.Hosts()
	bird := tlaunch.Add(p, "bird", &Bird{own: cfg.Own}, tlaunch.On(hosts[1]), tlaunch.OnFailure(policies...))
	for i, h := range hosts {
		if i != 1 {
			tlaunch.Add(p, "sender", &Sender{bird: bird, lives: cfg.Lives}, tlaunch.On(h))
		}
	}
	return nil
})
