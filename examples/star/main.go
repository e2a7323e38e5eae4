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
)

// Config is what every process of the run is given.
type Config struct {
	Rounds int // numbers from each worker; 0 or less: until stopped
}

// Number is what a worker sends: first 1, then 2, and so on.
type Number struct{ Worker, Value int }

// Consumer adds up what the workers send.
type Consumer struct {
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

// Worker sends numbers to the consumer.
type Worker struct {
	id, rounds int
	consumer   actor.Ref[*Consumer]
}

// Run makes the node an active one: the run ends when every Run has returned.
func (w *Worker) Run(ctx context.Context) error {
	for i := 1; w.rounds <= 0 || i <= w.rounds; i++ {
		total, err := actor.Call(ctx, w.consumer, (*Consumer).Add, Number{w.id, i})
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
	consumer := tlaunch.Add(p, "consumer", &Consumer{due: cfg.Rounds * len(workers), received: make([]int, len(workers))}, tlaunch.On(hosts[0]))
	for i, h := range workers {
		tlaunch.Add(p, "worker", &Worker{id: i, rounds: cfg.Rounds, consumer: consumer}, tlaunch.On(h))
	}
	return nil
}, tlaunch.LocalHosts(6))

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "numbers that each worker sends; 0: until stopped")
	tlaunch.Main(star, &cfg)
}
