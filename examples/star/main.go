// Star: workers on all hosts but the first send numbers to one consumer on the first.
package main

import (
	"context"
	"flag"
	"log/slog"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Config is what every process of the run is given.
type Config struct{ Rounds int }

// Consumer adds up what the workers send.
type Consumer struct{ total, messages int }

var _ = actor.Method((*Consumer).Add)

// Add adds n and returns the sum so far.
func (c *Consumer) Add(_ context.Context, n int) (int, error) {
	c.total += n
	c.messages++
	return c.total, nil
}

// Stop prints the result when all workers have ended.
func (c *Consumer) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "star", "messages", c.messages, "total", c.total)
	return nil
}

// Worker sends the numbers from 1 to rounds.
type Worker struct {
	rounds   int
	consumer actor.Ref[*Consumer]
}

// Run is the worker's life.
func (w *Worker) Run(ctx context.Context) error {
	for i := 1; w.rounds == 0 || i <= w.rounds; i++ {
		total, err := actor.Call(ctx, w.consumer, (*Consumer).Add, i)
		if err != nil {
			return err
		}
		slog.DebugContext(ctx, "sent", "number", i, "total", total)
	}
	return nil
}

var star = tlaunch.Define("star", func(p *tlaunch.Program, cfg Config) error {
	hosts := p.Hosts()
	consumer := tlaunch.Add(p, "consumer", &Consumer{}, tlaunch.On(hosts[0]))
	for _, h := range hosts[1:] {
		tlaunch.Add(p, "worker", &Worker{rounds: cfg.Rounds, consumer: consumer}, tlaunch.On(h))
	}
	return nil
}, tlaunch.LocalHosts(6))

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "numbers that each worker sends; 0: until stopped")
	tlaunch.Main(star, &cfg)
}
