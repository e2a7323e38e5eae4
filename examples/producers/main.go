// Producers: a consumer asks all producers at once and collects what they answer, with futures.
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
	Rounds int // how often the consumer asks all producers; 0 or less: until stopped
}

// Producer does the work.
type Producer struct{}

// Methods that are registered are called without reflection.
var _ = actor.Method((*Producer).Work)

// Work works on a context, which here is a number, and returns the result:
// here its square.
func (*Producer) Work(_ context.Context, n int) (int, error) { return n * n, nil }

// Consumer has work done.
type Consumer struct {
	rounds                 int
	producers              []actor.Ref[*Producer]
	calls, total, expected int
}

// Run makes the node an active one: the run ends when every Run has returned.
func (c *Consumer) Run(ctx context.Context) error {
	for round := 0; c.rounds <= 0 || round < c.rounds; round++ {
		var futures []*actor.Future[int]
		for i, producer := range c.producers {
			futures = append(futures, actor.Go(ctx, producer, (*Producer).Work, round+i))
		}
		results := make([]int, len(futures))
		for i, f := range futures {
			var err error
			if results[i], err = f.Wait(ctx); err != nil {
				return err
			}
		}
		slog.DebugContext(ctx, "collected", "round", round, "results", results)
		for i, result := range results {
			c.calls++
			c.total += result
			c.expected += (round + i) * (round + i)
		}
	}
	return nil
}

// Stop is called once, when the run ends and Run has returned.
func (c *Consumer) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "producers", "producers", len(c.producers), "calls", c.calls, "total", c.total, "expected", c.expected)
	if c.total != c.expected {
		return fmt.Errorf("%d results add up to %d, not %d", c.calls, c.total, c.expected)
	}
	return nil
}

var producers = tlaunch.Define("producers", func(p *tlaunch.Program, cfg Config) error {
	hosts := p.Hosts()
	if len(hosts) < 2 {
		return errors.New("producers needs at least 2 hosts: the first for the consumer, one for each producer")
	}
	consumer := &Consumer{rounds: cfg.Rounds}
	for _, h := range hosts[1:] {
		consumer.producers = append(consumer.producers, tlaunch.Add(p, "producer", &Producer{}, tlaunch.On(h)))
	}
	tlaunch.Add(p, "consumer", consumer, tlaunch.On(hosts[0]))
	return nil
})

func main() {
	cfg := Config{Rounds: 3}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "how often all producers are asked; 0: until stopped")
	tlaunch.Main(producers, &cfg)
}
