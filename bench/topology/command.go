package topology

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// Command is the subcommand: it parses args, measures, prints, and returns the exit status.
func Command(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return tlaunch.StatusUsage // it was said why
	}
	if err := measure(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench topology:", err)
		return tlaunch.StatusFailed
	}
	return 0
}

// measure runs the members and reports what the first of them tells.
func measure(ctx context.Context, cfg config, stdout, stderr io.Writer) (err error) {
	where, options, down, err := field(&cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down()) }()
	r := report{cfg: cfg, where: where, before: figures.LoadAverage()}
	r.machine = figures.Inspect(ctx)
	var heard listener
	run, err := everyone.Launch(ctx, cfg.program, append(options, tlaunch.OnRecord(heard.record))...)
	if err != nil {
		return err
	}
	if err := run.Wait(ctx); err != nil {
		return errors.Join(err, run.Stop(context.WithoutCancel(ctx)))
	}
	if r.outcomes, err = heard.all(); err != nil {
		return err
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

// listener gathers the outcomes that are told.
type listener struct {
	mu       sync.Mutex
	outcomes []outcome
	errs     []error
}

func (l *listener) record(r tlaunch.Record) {
	if r.Stream != bootstrap.Log || r.Text != said {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range r.Attrs {
		if a.Key != "outcome" {
			continue
		}
		var o outcome
		if err := json.Unmarshal([]byte(a.Value), &o); err != nil {
			l.errs = append(l.errs, err)
			continue
		}
		l.outcomes = append(l.outcomes, o)
	}
}

func (l *listener) all() ([]outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.outcomes, errors.Join(l.errs...)
}
