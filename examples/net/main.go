// Net: every host sends numbers to every other host, and takes theirs.
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
	Rounds int // numbers from each host to each other; 0 or less: until stopped
}

// Number is what a peer sends: first 1, then 2, and so on.
type Number struct{ From, Value int }

// Peer is worker and consumer at once.
type Peer struct {
	collective.Member
	rounds   int
	total    int
	received []int // numbers, by peer
}

// add can be asked of all peers at once; the answers are added up. It is a package-level variable, so that every process knows it.
var add = collective.NewQuestion((*Peer).Add, func(a, b int) int { return a + b })

// Add adds a number of another peer, and says how many it has taken. It runs in the node's turn while Run goes
// on, so Run does not touch what Add changes.
func (p *Peer) Add(_ context.Context, n Number) (int, error) {
	if n.From < 0 || n.From >= len(p.received) || n.From == p.Rank() {
		return 0, fmt.Errorf("there is no other peer %d", n.From)
	}
	p.received[n.From]++
	p.total += n.Value
	return 1, nil
}

// Run sends a number to all others at once, waits for their answers, and goes
// on to the next. It is not part of the node's turn: peers that wait for each
// other here do not stand in each other's way.
func (p *Peer) Run(ctx context.Context) error {
	for i := 1; p.rounds <= 0 || i <= p.rounds; i++ {
		taken, err := add.Ask(ctx, p, Number{p.Rank(), i})
		if err != nil {
			return err
		}
		slog.DebugContext(ctx, "sent", "number", i, "peers", taken.Value)
	}
	return nil
}

// Stop is called once, when the run ends, and reports what has arrived here.
// The others' Runs have returned by then, or the run was stopped early.
func (p *Peer) Stop(ctx context.Context) error {
	messages, expected := 0, 0
	for _, n := range p.received {
		messages += n
		expected += n * (n + 1) / 2 // 1 + 2 + … + n
	}
	slog.InfoContext(ctx, "net", "from", len(p.received)-1, "messages", messages, "total", p.total, "expected", expected)
	due := p.rounds * (len(p.received) - 1)
	if p.total != expected || due > 0 && messages != due {
		return fmt.Errorf("%d messages with a total of %d arrived, not %d with %d", messages, p.total, max(due, messages), expected)
	}
	return nil
}

var net = tlaunch.Define("net", func(p *tlaunch.Program, cfg Config) error {
	hosts := p.Hosts()
	if len(hosts) < 2 {
		return errors.New("net needs at least 2 hosts, for each sends to all others")
	}
	group := collective.Over(topology.Net())
	for _, h := range hosts {
		peer := &Peer{rounds: cfg.Rounds, received: make([]int, len(hosts))}
		collective.Join(group, tlaunch.Add(p, "peer", peer, tlaunch.On(h)), peer, h.Name)
	}
	return plot.Sealed(group)
}, tlaunch.LocalHosts(5))

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "numbers from each host to each other; 0: until stopped")
	plot.Flag()
	tlaunch.Main(net, &cfg)
}
