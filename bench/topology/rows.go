package topology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// A survey goes through rows of the table of promises, each on hosts of its own, and tells what it finds.
type survey struct {
	cfg    config
	stderr io.Writer
	say    func(promise) error
}

// tableRows are those that can be asked for, in the order in which they are measured.
var tableRows = []struct {
	name    string
	measure func(*survey, context.Context) error
}{
	{"broadcast", (*survey).broadcast},
	{"all-reduce", func(s *survey, ctx context.Context) error { return s.ratios(ctx, "all-reduce") }},
	{"gather", func(s *survey, ctx context.Context) error { return s.ratios(ctx, "gather") }},
	{"scatter", func(s *survey, ctx context.Context) error { return s.ratios(ctx, "scatter") }},
	{"all-to-all", func(s *survey, ctx context.Context) error { return s.ratios(ctx, "all-to-all") }},
	{"small", (*survey).small},
	{"auto", (*survey).auto},
	{"killed", (*survey).killed},
	{"slow", (*survey).slow},
	{"publish", (*survey).publish},
	{"memory", (*survey).memory},
	{"unshaped", (*survey).unshaped},
}

func rowNames() (names []string) {
	for _, r := range tableRows {
		names = append(names, r.name)
	}
	return names
}

// rowsOf reads the list of the flag.
func rowsOf(list string) ([]string, error) {
	switch list {
	case "":
		return nil, nil
	case "all":
		return rowNames(), nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(rowNames(), name) {
			return nil, fmt.Errorf("-rows %s: of all, %s", name, strings.Join(rowNames(), ", "))
		}
	}
	return names, nil
}

// measureRows measures the rows that are asked for. What one of them fails by is told, and the next one goes on.
func measureRows(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	before := figures.LoadAverage()
	table := stdout
	if cfg.json {
		table = stderr
	}
	var all []promise
	var errs []error
	s := &survey{cfg: cfg, stderr: stderr}
	for _, row := range tableRows {
		if !slices.Contains(cfg.rows, row.name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(stderr, "row %s\n", row.name)
		s.say = func(p promise) error {
			p.Row = row.name
			fmt.Fprintf(stderr, "row %s: %s: %.4g %s (%.4g): %s\n", p.Row, p.Case, p.Value, p.Unit, p.Target, figures.Verdict(p.Met))
			all = append(all, p)
			if cfg.json {
				return json.NewEncoder(stdout).Encode(p)
			}
			return nil
		}
		if err := row.measure(s, ctx); err != nil {
			errs = append(errs, fmt.Errorf("row %s: %w", row.name, err))
		}
	}
	errs = append(errs, context.Cause(ctx), writePromises(table, all))
	fmt.Fprintf(table, "\n%s", figures.Inspect(ctx, figures.FirstLine(ctx, mpirun, "--version")).Describe(before, figures.LoadAverage()))
	return errors.Join(errs...)
}

// A place is where a row is measured, unless flags say otherwise.
type place struct {
	hosts int
	rate  string
	tls   bool
	size  int
}

const mib = 1 << 20

// narrow has TLS, as links are the limit there on two processors; wide has none.
var (
	narrow = place{8, "250mbit", true, 64 * mib}
	wide   = place{8, "1gbit", false, 64 * mib}
)

// at is a configuration for a place. What the command line says of hosts, rates, sizes and rounds goes before it.
func (s *survey) at(p place, operations, algorithms, peers []string) config {
	c := s.cfg
	if !c.given["hosts"] {
		c.hosts = p.hosts
	}
	if !c.given["rate"] {
		c.rate = p.rate
	}
	if !c.given["sizes"] {
		c.program.Sizes = []int{p.size}
	}
	c.program.Sizes = c.program.Sizes[:1]
	if !c.given["rounds"] {
		c.program.Rounds = 3
	}
	if !c.given["tls"] {
		c.program.Bare = !p.tls
	}
	c.counts, c.program.Operations, c.program.Algorithms, c.peers = []int{c.hosts}, operations, algorithms, peers
	return c
}

// what says for people where a figure comes from.
func (c config) what(operation string) string {
	rate := "links of " + c.rate
	if c.local || c.inventory != "" || c.rate == "" {
		rate = "links unlimited"
	}
	if !c.program.Bare {
		rate += ", TLS"
	}
	return fmt.Sprintf("%s of %s, %d hosts, %s", operation, sizeText(c.program.Sizes[0]), c.hosts, rate)
}

// run measures a configuration.
func (s *survey) run(ctx context.Context, c config) (bout, error) {
	b, err := measureOn(ctx, c, s.stderr)
	if err = errors.Join(err, b.peersErr); err != nil {
		return b, err
	}
	for _, o := range b.outcomes {
		if o.Wrong > 0 {
			return b, fmt.Errorf("%s by %s: %d results are wrong", o.Operation, o.Algorithm, o.Wrong)
		}
	}
	return b, nil
}
