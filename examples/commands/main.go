// Commands: every host reports its load, memory, disk and GPUs to one node, which draws a table; or runs a command, such
// as nvidia-smi.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Config is what every process of the run is given.
type Config struct {
	Rounds int           // tables to draw; 0 or less: until stopped
	Every  time.Duration // from one table to the next
	Run    string        // a line for the shell of every host, in place of all this
}

// Reporter says how its host is.
type Reporter struct{}

// Methods that are registered are called without reflection.
var _ = actor.Method0((*Reporter).Report)

// Report measures now.
func (*Reporter) Report(ctx context.Context) (Status, error) {
	s, err := measure(ctx)
	s.Host = actor.HostOf(ctx)
	return s, err
}

// Board asks all reporters and draws.
type Board struct {
	rounds    int
	every     time.Duration
	hosts     []string
	reporters []actor.Ref[*Reporter]
	tables    int
	reports   int
}

// Run makes the node an active one: the run ends when every Run has returned.
func (b *Board) Run(ctx context.Context) error {
	tick := time.NewTicker(max(b.every, time.Millisecond))
	defer tick.Stop()
	for {
		if err := b.draw(ctx); err != nil {
			return err
		}
		if b.rounds > 0 && b.tables >= b.rounds {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Board) draw(ctx context.Context) error {
	var futures []*actor.Future[Status]
	for _, r := range b.reporters {
		futures = append(futures, actor.Go0(ctx, r, (*Reporter).Report))
	}
	var all []Status
	for i, f := range futures {
		s, err := f.Wait(ctx)
		if err != nil {
			return err
		}
		if s.Host != b.hosts[i] {
			return fmt.Errorf("asked %s, and %s answered", b.hosts[i], s.Host)
		}
		all = append(all, s)
	}
	b.tables++
	b.reports += len(all)
	slog.DebugContext(ctx, "drawn", "table", b.tables)
	return table(os.Stdout, all)
}

// Stop is called once, when the run ends and Run has returned.
func (b *Board) Stop(ctx context.Context) error {
	expected := b.tables * len(b.hosts)
	slog.InfoContext(ctx, "commands", "hosts", len(b.hosts), "tables", b.tables, "reports", b.reports, "expected", expected)
	if b.reports != expected {
		return fmt.Errorf("%d reports have come, not %d", b.reports, expected)
	}
	return nil
}

var commands = tlaunch.Define("commands", func(p *tlaunch.Program, cfg Config) error {
	if cfg.Run != "" {
		for _, h := range p.Hosts() {
			tlaunch.AddCommand(p, "command", tlaunch.Command{Path: "sh", Args: []string{"-c", cfg.Run}}, tlaunch.On(h))
		}
		return nil
	}
	board := &Board{rounds: cfg.Rounds, every: cfg.Every}
	for _, h := range p.Hosts() {
		board.hosts = append(board.hosts, h.Name)
	}
	board.reporters = tlaunch.AddEach(p, "reporter", tlaunch.OnEach("@all"), func(tlaunch.Host, int) *Reporter { return &Reporter{} })
	tlaunch.Add(p, "board", board, tlaunch.On(p.Hosts()[0]))
	return nil
})

func main() {
	cfg := Config{Rounds: 1, Every: 2 * time.Second}
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "tables to draw; 0: until stopped")
	flag.DurationVar(&cfg.Every, "every", cfg.Every, "time from one table to the next")
	flag.StringVar(&cfg.Run, "run", "", "`line` for the shell of every host to run, in place of the table")
	tlaunch.Main(commands, &cfg)
}
