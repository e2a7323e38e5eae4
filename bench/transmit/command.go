package transmit

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
)

// row is a figure, as programs read it.
type row struct {
	Bench string  `json:"bench"`
	Case  string  `json:"case"`
	Size  int     `json:"size"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Processor is nanoseconds of processor time for an item, of both processes; 0: not reckoned.
	Processor float64  `json:"processor,omitempty"`
	Target    *float64 `json:"target,omitempty"`
	Met       *bool    `json:"met,omitempty"`
}

// config says what is measured.
type config struct {
	duration time.Duration
	items    int   // of the table for memory and for prioritised beside uniform
	bytes    int64 // of the checkpoint
	dir      string
	parts    map[string]bool
	json     bool
}

// parts are what is measured, in this order.
var parts = []struct {
	name string
	do   func(context.Context, config, func(row) error) error
}{{"local", local}, {"apart", apart}, {"clear", clearly}, {"memory", large}, {"checkpoint", checkpoints}}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// parseParts reads the names of parts; none are all.
func parseParts(list string) (map[string]bool, error) {
	chosen := map[string]bool{}
	for _, name := range partNames() {
		chosen[name] = list == ""
	}
	if list == "" {
		return chosen, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		if _, known := chosen[name]; !known {
			return nil, fmt.Errorf("there is no part %q; they are %s", name, strings.Join(partNames(), ", "))
		}
		chosen[name] = true
	}
	return chosen, nil
}

// Command is the subcommand: it parses args, measures, prints, and returns the exit status.
func Command(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	var c config
	flags := flag.NewFlagSet("bench transmit", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&c.duration, "duration", 2*time.Second, "how long each case is measured")
	flags.IntVar(&c.items, "items", 1_000_000, "`N` items of the large table")
	flags.Int64Var(&c.bytes, "bytes", 1<<30, "`N` bytes of the checkpoint")
	flags.StringVar(&c.dir, "dir", "", "an existing `FOLDER` on the disk that checkpoints are measured on; the default is that for temporary files")
	flags.BoolVar(&c.json, "json", false, "print one line of JSON for each row to standard output, and the table to standard error")
	names := flags.String("parts", "", "`LIST` of what is measured, separated by commas, of "+strings.Join(partNames(), ", ")+"; the default is all")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return tlaunch.StatusUsage
	}
	switch c.parts, err = parseParts(*names); {
	case err != nil:
		fmt.Fprintln(stderr, "bench transmit: -parts:", err)
		return tlaunch.StatusUsage
	case len(flags.Args()) > 0 || c.duration <= 0 || c.items < 1000 || c.bytes < 1<<20:
		fmt.Fprintln(stderr, "bench transmit: there are flags only; -duration is more than 0, -items at least 1000, -bytes at least 1048576")
		return tlaunch.StatusUsage
	}
	if err := measure(ctx, c, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench transmit:", err)
		return tlaunch.StatusFailed
	}
	return 0
}

func measure(ctx context.Context, c config, stdout, stderr io.Writer) error {
	before := figures.LoadAverage()
	table := stdout
	if c.json {
		table = stderr
	}
	tw := tabwriter.NewWriter(table, 0, 0, 2, ' ', 0)
	say := func(r row) error {
		r.Bench, r.Value, r.Processor = "transmit", figures.Rounded(r.Value), figures.Rounded(r.Processor)
		verdict, processor := "", ""
		if r.Target != nil {
			verdict = fmt.Sprintf("target %.6g: %s", *r.Target, figures.Verdict(*r.Met))
		}
		if r.Processor > 0 {
			processor = fmt.Sprintf("%.4g µs", r.Processor/1e3)
		}
		fmt.Fprintf(tw, "%s\t%d B\t%.6g %s\t%s\t%s\n", r.Case, r.Size, r.Value, r.Unit, processor, verdict)
		if c.json {
			return json.NewEncoder(stdout).Encode(r)
		}
		return nil
	}
	fmt.Fprint(tw, "case\titem\tvalue\tprocessors, each item\ttarget\n")
	for _, part := range parts {
		if !c.parts[part.name] {
			continue
		}
		if err := part.do(ctx, c, say); err != nil {
			return errors.Join(err, tw.Flush())
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(table, figures.Inspect(ctx).Describe(before, figures.LoadAverage()))
	return nil
}

// atLeast and atMost give a row its target.
func (r row) atLeast(target float64) row {
	met := r.Value >= target
	r.Target, r.Met = &target, &met
	return r
}

func (r row) atMost(target float64) row {
	met := r.Value <= target
	r.Target, r.Met = &target, &met
	return r
}
