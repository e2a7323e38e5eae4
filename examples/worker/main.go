// Worker: workers on every host, each with work of its own, that need not talk to each other.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"

	tlaunch "github.com/tartrl/tlaunch-go"
)

// Config is what every process of the run is given.
type Config struct {
	Workers int // on each host
	Rounds  int // blocks of numbers for each worker; 0 or less: until stopped
}

// block is how many numbers a worker searches in one round.
const block = 10_000

// Worker counts primes. The numbers are shared out in blocks, as cards are:
// with four workers the first has blocks 0, 4, 8 and so on.
type Worker struct {
	id, workers, rounds int
	done, primes        int
}

// Run makes the node an active one: the run ends when every Run has returned.
func (w *Worker) Run(ctx context.Context) error {
	for w.rounds <= 0 || w.done < w.rounds {
		if err := ctx.Err(); err != nil {
			return err // the run has been stopped
		}
		first := (w.done*w.workers + w.id) * block
		found := 0
		for n := first; n < first+block; n++ {
			if prime(n) {
				found++
			}
		}
		w.done++
		w.primes += found
		slog.DebugContext(ctx, "searched", "from", first, "to", first+block-1, "primes", found)
	}
	return nil
}

// Stop is called once, when the run ends and Run has returned.
func (w *Worker) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "worker", "id", w.id, "of", w.workers, "numbers", w.done*block, "primes", w.primes)
	return nil
}

func prime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n >= 2
}

var worker = tlaunch.Define("worker", func(p *tlaunch.Program, cfg Config) error {
	if cfg.Workers < 1 {
		return errors.New("worker needs at least 1 worker on each host (-workers)")
	}
	hosts := p.Hosts()
	for id := range cfg.Workers * len(hosts) {
		w := &Worker{id: id, workers: cfg.Workers * len(hosts), rounds: cfg.Rounds}
		tlaunch.Add(p, "worker", w, tlaunch.On(hosts[id/cfg.Workers]))
	}
	return nil
}, tlaunch.LocalHosts(2))

func main() {
	cfg := Config{Workers: 2, Rounds: 3}
	flag.IntVar(&cfg.Workers, "workers", cfg.Workers, "workers on each host")
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "blocks of numbers for each worker; 0: until stopped")
	tlaunch.Main(worker, &cfg)
}
