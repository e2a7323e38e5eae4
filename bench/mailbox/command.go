package mailbox

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
)

// childCommand is the argument by which a measurement starts one of its processes.
const childCommand = "one"

// Command is the subcommand: it parses args, measures, prints, and returns the exit status.
func Command(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == childCommand {
		return child(ctx, stdin, stdout, stderr)
	}
	cfg, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return tlaunch.StatusUsage // it was said why
	}
	if err := measure(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench mailbox:", err)
		return tlaunch.StatusFailed
	}
	return 0
}

// measure lets the contestants of each case meet, and reports.
func measure(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	stderr = &shared{w: stderr}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if cfg.profiles != "" {
		if err := os.MkdirAll(cfg.profiles, 0o755); err != nil {
			return err
		}
	}
	r := report{rounds: cfg.rounds, before: figures.LoadAverage()}
	r.machine = figures.Inspect(ctx, figures.ModuleVersion("github.com/asynkron/protoactor-go"), figures.ModuleVersion("google.golang.org/grpc"))
	for _, k := range cfg.cases {
		if why := k.cannot(); why != "" {
			if cfg.named {
				return fmt.Errorf("%s: %s", k.name(), why)
			}
			r.leftOut = append(r.leftOut, k.name()+": "+why)
			continue
		}
		b, err := newBout(k, cfg, exe, stderr)
		if err != nil {
			return err
		}
		if err := b.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", k.name(), err)
		}
		r.bouts = append(r.bouts, b)
	}
	r.after = figures.LoadAverage()
	table := stdout
	if cfg.json {
		table = stderr
		if err := r.writeJSON(stdout); err != nil {
			return err
		}
	}
	return r.writeTable(table)
}

// shared is written to by this process and by the copies of what its processes say.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}
