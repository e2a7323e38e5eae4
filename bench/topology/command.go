package topology

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
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
	do := measure
	if len(cfg.rows) > 0 {
		do = measureRows
	}
	if err := do(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench topology:", err)
		return tlaunch.StatusFailed
	}
	return 0
}

// measure runs the members, and the peers, for each number of hosts, and reports what was found.
func measure(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	r := report{cfg: cfg, before: figures.LoadAverage()}
	versions := []string{}
	for _, name := range cfg.peers {
		version := figures.FirstLine(ctx, mpirun, "--version")
		if name == glooName {
			version = "torch " + figures.FirstLine(ctx, python, "-c", "import torch; print(torch.__version__)")
		}
		if !slices.Contains(versions, version) {
			versions = append(versions, version)
		}
	}
	r.machine = figures.Inspect(ctx, versions...)
	var errs []error // what was found is told all the same
	for _, n := range cfg.counts {
		cfg.hosts = n
		b, err := measureOn(ctx, cfg, stderr)
		if err != nil {
			errs = append(errs, err)
			break
		}
		r.bouts = append(r.bouts, b)
		errs = append(errs, b.peersErr)
	}
	if len(r.bouts) == 0 {
		return errors.Join(errs...)
	}
	r.after = figures.LoadAverage()
	table := stdout
	if cfg.json {
		table = stderr
		errs = append(errs, r.writeJSON(stdout))
	}
	errs = append(errs, r.writeTable(table))
	if cfg.plot != "" {
		errs = append(errs, os.WriteFile(cfg.plot, []byte(r.draw()), 0o644))
	}
	return errors.Join(errs...)
}

// measureOn is one number of hosts.
func measureOn(ctx context.Context, cfg config, stderr io.Writer) (b bout, err error) {
	f, err := openField(&cfg)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	b.hosts, b.where, b.rate, b.tls = cfg.hosts, f.where, cfg.rate, !cfg.program.Bare
	heard := listener[outcome]{key: "outcome", each: cfg.progress}
	run, err := everyone.Launch(ctx, cfg.program, append(f.options, tlaunch.OnRecord(heard.record))...)
	if err != nil {
		return b, err
	}
	if err := run.Wait(ctx); err != nil {
		return b, errors.Join(err, run.Stop(context.WithoutCancel(ctx)))
	}
	if b.outcomes, err = heard.all(); err != nil {
		return b, err
	}
	b.feats, b.peersErr = f.feats(ctx, cfg, stderr)
	return b, nil
}

// A listener gathers what members tell, in the attribute of that name.
type listener[T any] struct {
	key  string
	each func(T) // called for each; nil: nobody asks
	mu   sync.Mutex
	told []T
	errs []error
}

func (l *listener[T]) record(r tlaunch.Record) {
	if r.Stream != bootstrap.Log || r.Text != said {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range r.Attrs {
		if a.Key != l.key {
			continue
		}
		var one T
		if err := json.Unmarshal([]byte(a.Value), &one); err != nil {
			l.errs = append(l.errs, err)
			continue
		}
		l.told = append(l.told, one)
		if l.each != nil {
			l.each(one)
		}
	}
}

func (l *listener[T]) all() ([]T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told, errors.Join(l.errs...)
}
