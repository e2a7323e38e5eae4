// Net: every host sends numbers to every other host, and takes theirs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Config is what every process of the run is given.
type Config struct {
	Rounds int // numbers from each host to each other; 0 or less: until stopped
}

// Number is what a peer sends: first 1, then 2, and so on.
type Number struct{ From, Value int }

// Peer is worker and consumer at once.
type Peer struct {
	id, rounds int
	others     []actor.Ref[*Peer]
	total      int
	received   []int // numbers, by peer
}

// Methods that are registered are called without reflection.
var _ = actor.Action((*Peer).Add)

// Add adds a number of another peer. It runs in the node's turn while Run goes
// on, so Run does not touch what Add changes.
func (p *Peer) Add(_ context.Context, n Number) error {
	if n.From < 0 || n.From >= len(p.received) || n.From == p.id {
		return fmt.Errorf("there is no other peer %d", n.From)
	}
	p.received[n.From]++
	p.total += n.Value
	return nil
}

// Run sends a number to all others at once, waits for their answers, and goes
// on to the next. It is not part of the node's turn: peers that wait for each
// other here do not stand in each other's way.
func (p *Peer) Run(ctx context.Context) error {
	for i := 1; p.rounds <= 0 || i <= p.rounds; i++ {
		var futures []*actor.Future[struct{}]
		for _, other := range p.others {
			futures = append(futures, actor.GoDo(ctx, other, (*Peer).Add, Number{p.id, i}))
		}
		for _, f := range futures {
			if _, err := f.Wait(ctx); err != nil {
				return err
			}
		}
		slog.DebugContext(ctx, "sent", "number", i, "peers", len(p.others))
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
	slog.InfoContext(ctx, "net", "from", len(p.others), "messages", messages, "total", p.total, "expected", expected)
	due := p.rounds * len(p.others)
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
	var peers []*Peer
	var refs []actor.Ref[*Peer]
	for i, h := range hosts {
		peer := &Peer{id: i, rounds: cfg.Rounds, received: make([]int, len(hosts))}
		peers = append(peers, peer)
		refs = append(refs, tlaunch.Add(p, "peer", peer, tlaunch.On(h)))
	}
	for i, peer := range peers { // refs may go round in circles
		peer.others = slices.Delete(slices.Clone(refs), i, i+1)
	}
	return nil
}, tlaunch.LocalHosts(5))

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "numbers from each host to each other; 0: until stopped")
	tlaunch.Main(net, &cfg)
}
