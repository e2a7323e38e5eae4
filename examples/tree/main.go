// Tree: numbers climb from the leaves through middle hosts, which add them up, to the root on the first host.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/plot"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Config is what every process of the run is given.
type Config struct {
	Rounds int // numbers from each leaf; 0 or less: until stopped
}

// Partial is what the leaves below a node have given in one round.
type Partial struct{ Leaves, Sum int }

// An Adder is a node with others below it.
type Adder interface {
	AddUp(ctx context.Context, parts []Partial) (Partial, error)
}

// give can be asked of the whole tree at once: leaves give, and whoever has others below adds up what comes from there. It is a package-level
// variable, so that every process knows it.
var give = collective.NewQuestionBy((*Leaf).Give, Adder.AddUp)

// Leaf is where numbers come from.
type Leaf struct {
	collective.Member
	given int
}

// Give gives the leaf's number for a round: the round's own.
func (l *Leaf) Give(_ context.Context, round int) (Partial, error) {
	l.given++
	if round != l.given {
		return Partial{}, fmt.Errorf("asked for round %d, but %d is next", round, l.given)
	}
	return Partial{Leaves: 1, Sum: round}, nil
}

// Middle adds up what the nodes below it give.
type Middle struct{ collective.Member }

// AddUp is called when all below have answered.
func (m *Middle) AddUp(_ context.Context, parts []Partial) (Partial, error) {
	var whole Partial
	for _, part := range parts {
		whole.Leaves += part.Leaves
		whole.Sum += part.Sum
	}
	return whole, nil
}

// Root is the top of the tree: it asks for a round at a time, so no leaf runs
// ahead of the others.
type Root struct {
	Middle
	leaves, rounds           int
	complete, numbers, total int
}

// Run makes the node an active one: the run ends when every Run has returned.
func (r *Root) Run(ctx context.Context) error {
	for r.rounds <= 0 || r.complete < r.rounds {
		reply, err := give.Ask(ctx, r, r.complete+1)
		if err != nil {
			return err
		}
		whole := reply.Value
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
	group := collective.Over(topology.Tree(2))
	root := &Root{leaves: (n + 1) / 2, rounds: cfg.Rounds}
	collective.Join(group, tlaunch.Add(p, "root", root, tlaunch.On(hosts[0])), root, hosts[0].Name)
	for i := 1; i < n; i++ {
		if 2*i+1 < n {
			middle := &Middle{}
			collective.Join(group, tlaunch.Add(p, "middle", middle, tlaunch.On(hosts[i])), middle, hosts[i].Name)
		} else {
			leaf := &Leaf{}
			collective.Join(group, tlaunch.Add(p, "leaf", leaf, tlaunch.On(hosts[i])), leaf, hosts[i].Name)
		}
	}
	return plot.Sealed(group)
}, tlaunch.LocalHosts(7))

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "numbers from each leaf; 0: until stopped")
	plot.Flag()
	tlaunch.Main(tree, &cfg)
}
