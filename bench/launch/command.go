package launch

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
)

// childCommand is the argument by which a measurement starts one of its launchers.
const childCommand = "one"

// Command is the subcommand: it parses args, measures, prints, and returns the exit status. The process must have called [tlaunch.Init] before.
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
		fmt.Fprintln(stderr, "bench launch:", err)
		return tlaunch.StatusFailed
	}
	return 0
}

// measure brings the hosts up, lets the contestants run, and reports.
func measure(ctx context.Context, cfg config, stdout, stderr io.Writer) (err error) {
	if cfg.profiles != "" {
		if err := os.MkdirAll(cfg.profiles, 0o755); err != nil {
			return err
		}
	}
	exe, remove, err := executable(ctx, cfg.binary, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	f, err := openField(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()

	r := report{machine: inspect(ctx, cfg.peers), where: f.where, hosts: len(f.names), rounds: cfg.rounds, binary: exe.size}
	before := figures.LoadAverage()
	for _, mode := range cfg.modes {
		b, err := newBout(ctx, cfg, f, exe, mode, stderr)
		if err != nil {
			return err
		}
		if err := b.run(ctx, cfg.rounds, stderr); err != nil {
			return err
		}
		r.bouts = append(r.bouts, b)
	}
	r.load = [2]string{before, figures.LoadAverage()}
	table := stdout
	if cfg.json {
		table = stderr
		if err := r.writeJSON(stdout); err != nil {
			return err
		}
	}
	return errors.Join(r.writeTable(table), r.failures())
}
