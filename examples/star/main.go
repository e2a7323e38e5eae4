// Star: workers on every host but the first send numbers to one consumer on the first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/examples/internal/plot"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Config is what every process of the run is given.
type Config struct {
	Rounds int // numbers from each worker; 0 or less: until stopped
}

// Number is what a worker sends: first 1, then 2, and so on.
type Number struct{ Worker, Value int }

// Consumer adds up what the workers send.
type Consumer struct {
	collective.Member
	due      int // messages to come; 0: nobody knows
	total    int
	received []int // messages, by worker
}

// Methods that are registered are called without reflection.
var _ = actor.Method((*Consumer).Add)

// Add adds a number and returns the sum so far. Methods of a node run one at a
// time, so it needs no lock.
func (c *Consumer) Add(_ context.Context, n Number) (int, error) {
	if n.Worker < 0 || n.Worker >= len(c.received) {
		return 0, fmt.Errorf("there is no worker %d", n.Worker)
	}
	c.received[n.Worker]++
	c.total += n.Value
	return c.total, nil
}

// Stop is called once, when the run ends, and reports what has arrived.
func (c *Consumer) Stop(ctx context.Context) error {
	messages, expected := 0, 0
	for _, n := range c.received {
		messages += n
		expected += n * (n + 1) / 2 // 1 + 2 + … + n
	}
	slog.InfoContext(ctx, "star", "messages", messages, "total", c.total, "expected", expected)
	if c.total != expected || c.due > 0 && messages != c.due {
		return fmt.Errorf("%d messages with a total of %d arrived, not %d with %d", messages, c.total, max(c.due, messages), expected)
	}
	return nil
}

// Worker sends numbers to the consumer, which is above it in the star.
type Worker struct {
	collective.Member
	id, rounds int
}

// Run makes the node an active one: the run ends when every Run has returned.
func (w *Worker) Run(ctx context.Context) error {
	consumer, _ := collective.ParentOf[*Consumer](ctx, w)
	for i := 1; w.rounds <= 0 || i <= w.rounds; i++ {
		total, err := actor.Call(ctx, consumer, (*Consumer).Add, Number{w.id, i})
		if err != nil {
			return err
		}
		slog.DebugContext(ctx, "sent", "number", i, "total", total)
	}
	return nil
}

var star = tlaunch.Define("star", func(p *tlaunch.Program, cfg Config) error {
	hosts := p.Hosts()
	if len(hosts) < 2 {
		return errors.New("star needs at least 2 hosts: the first for the consumer, the others for workers")
	}
	workers := hosts[1:]
	group := collective.Over(topology.Star()) // whoever joins first is in the middle
	consumer := &Consumer{due: cfg.Rounds * len(workers), received: make([]int, len(workers))}
	collective.Join(group, tlaunch.Add(p, "consumer", consumer, tlaunch.On(hosts[0])), consumer, hosts[0].Name)
	for i, h := range workers {
		worker := &Worker{id: i, rounds: cfg.Rounds}
		collective.Join(group, tlaunch.Add(p, "worker", worker, tlaunch.On(h)), worker, h.Name)
	}
	return plot.Sealed(group)
}, tlaunch.LocalHosts(6))

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "numbers that each worker sends; 0: until stopped")
	plot.Flag()
	tlaunch.Main(star, &cfg)
}
