// Tree: numbers climb from the leaves through middle hosts, which add them up, to the root on the first host.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Config is what every process of the run is given.
type Config struct {
	Rounds int // numbers from each leaf; 0 or less: until stopped
}

// Partial is what the leaves below a node have given in one round.
type Partial struct{ Leaves, Sum int }

// A Source is a node below another: a leaf, or a middle with sources of its own.
type Source interface {
	Give(ctx context.Context, round int) (Partial, error)
}

// Methods that are registered are called without reflection.
var (
	_ = actor.Method((*Leaf).Give)
	_ = actor.Method((*Middle).Give)
)

// Leaf is where numbers come from.
type Leaf struct{ given int }

// Give gives the leaf's number for a round: the round's own.
func (l *Leaf) Give(_ context.Context, round int) (Partial, error) {
	l.given++
	if round != l.given {
		return Partial{}, fmt.Errorf("asked for round %d, but %d is next", round, l.given)
	}
	return Partial{Leaves: 1, Sum: round}, nil
}

// Middle adds up what the nodes below it give.
type Middle struct{ below []actor.Ref[Source] }

// Give asks all below at once and gives the sum. A future has been sent when
// Go returns, so they work side by side.
func (m *Middle) Give(ctx context.Context, round int) (Partial, error) {
	var futures []*actor.Future[Partial]
	for _, source := range m.below {
		futures = append(futures, actor.Go(ctx, source, Source.Give, round))
	}
	var whole Partial
	for _, f := range futures {
		part, err := f.Wait(ctx)
		if err != nil {
			return Partial{}, err
		}
		whole.Leaves += part.Leaves
		whole.Sum += part.Sum
	}
	return whole, nil
}

// Root is the top of the tree: it asks for a round at a time, so no leaf runs
// ahead of the others.
type Root struct {
	top                      Middle
	leaves, rounds           int
	complete, numbers, total int
}

// Run makes the node an active one: the run ends when every Run has returned.
func (r *Root) Run(ctx context.Context) error {
	for r.rounds <= 0 || r.complete < r.rounds {
		whole, err := r.top.Give(ctx, r.complete+1)
		if err != nil {
			return err
		}
		r.complete++
		r.numbers += whole.Leaves
		r.total += whole.Sum
		slog.DebugContext(ctx, "complete", "round", r.complete, "sum", whole.Sum)
	}
	return nil
}

// Stop is called once, when the run ends and Run has returned.
func (r *Root) Stop(ctx context.Context) error {
	expected := r.leaves * r.complete * (r.complete + 1) / 2 // each leaf: 1 + 2 + … + complete
	slog.InfoContext(ctx, "tree", "leaves", r.leaves, "rounds", r.complete, "numbers", r.numbers, "total", r.total, "expected", expected)
	if r.total != expected || r.numbers != r.leaves*r.complete {
		return fmt.Errorf("%d numbers with a total of %d arrived, not %d with %d", r.numbers, r.total, r.leaves*r.complete, expected)
	}
	return nil
}

var tree = tlaunch.Define("tree", func(p *tlaunch.Program, cfg Config) error {
	hosts := p.Hosts()
	n := len(hosts)
	if n < 3 {
		return errors.New("tree needs at least 3 hosts: the first for the root, and two below it")
	}
	// Below host i, counted from 0, are hosts 2i+1 and 2i+2; where these do
	// not exist there is a leaf.
	root := &Root{leaves: (n + 1) / 2, rounds: cfg.Rounds}
	tlaunch.Add(p, "root", root, tlaunch.On(hosts[0]))
	inner := []*Middle{&root.top}
	for i := 1; i < n; i++ {
		var source actor.Ref[Source]
		if 2*i+1 < n {
			middle := &Middle{}
			inner = append(inner, middle)
			source = actor.As[Source](tlaunch.Add(p, "middle", middle, tlaunch.On(hosts[i])))
		} else {
			source = actor.As[Source](tlaunch.Add(p, "leaf", &Leaf{}, tlaunch.On(hosts[i])))
		}
		above := inner[(i-1)/2]
		above.below = append(above.below, source)
	}
	return nil
}, tlaunch.LocalHosts(7))

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "numbers from each leaf; 0: until stopped")
	tlaunch.Main(tree, &cfg)
}
