package transmit

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bench/figures"
)

// row is a figure, as programs read it.
type row struct {
	Bench  string   `json:"bench"`
	Case   string   `json:"case"`
	Size   int      `json:"size"`
	Value  float64  `json:"value"`
	Unit   string   `json:"unit"`
	Target *float64 `json:"target,omitempty"`
	Met    *bool    `json:"met,omitempty"`
}

// config says what is measured.
type config struct {
	duration time.Duration
	items    int   // of the table for memory and for prioritised beside uniform
	bytes    int64 // of the checkpoint
	dir      string
	json     bool
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
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
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
		r.Bench, r.Value = "transmit", figures.Rounded(r.Value)
		verdict := ""
		if r.Target != nil {
			verdict = fmt.Sprintf("target %v: %s", *r.Target, figures.Verdict(*r.Met))
		}
		fmt.Fprintf(tw, "%s\t%d B\t%.6g %s\t%s\n", r.Case, r.Size, r.Value, r.Unit, verdict)
		if c.json {
			return json.NewEncoder(stdout).Encode(r)
		}
		return nil
	}
	for _, part := range []func(context.Context, config, func(row) error) error{throughput, large, checkpoints} {
		if err := part(ctx, c, say); err != nil {
			return err
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

const small, big = 1 << 10, 100 << 10

// throughput measures inserts and samples in one process and across two.
func throughput(ctx context.Context, c config, say func(row) error) error {
	for _, where := range []struct {
		name   string
		launch tlaunch.Option
	}{{"one process", tlaunch.InProcess(tlaunch.LocalInventory(2))}, {"two processes", tlaunch.Processes(tlaunch.LocalInventory(2))}} {
		run, err := program.Launch(ctx, []int{small, big}, where.launch)
		if err != nil {
			return err
		}
		err = cases(ctx, run, c, where.name, say)
		if err := errors.Join(err, run.Stop(context.WithoutCancel(ctx))); err != nil {
			return err
		}
	}
	return nil
}

func cases(ctx context.Context, run *tlaunch.Run, c config, where string, say func(row) error) error {
	d, err := tlaunch.Find[*driver](run, "driver", 0)
	if err != nil {
		return err
	}
	across := where == "two processes"
	for _, size := range []int{small, big} {
		inserts := 0.0
		for _, s := range selectors {
			selector := s.name
			for _, writers := range []int{1, 8} {
				j := job{Table: tableName(size, selector), Size: size, Clients: writers, Duration: c.duration}
				rate, err := actor.Call(ctx, d, (*driver).Measure, j)
				if err != nil {
					return err
				}
				inserts = max(inserts, rate)
				name := fmt.Sprintf("insert/%s/%d writers/%s", selector, writers, where)
				if err := rows(say, name, size, rate, across, 0); err != nil {
					return err
				}
			}
			for _, readers := range []int{1, 4} {
				j := job{Table: tableName(size, selector), Size: size, Clients: readers, Sample: true, Duration: c.duration}
				rate, err := actor.Call(ctx, d, (*driver).Measure, j)
				if err != nil {
					return err
				}
				name := fmt.Sprintf("sample/%s/%d readers/%s", selector, readers, where)
				if err := rows(say, name, size, rate, across, inserts); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rows are items and bytes a second. Samples are to be no slower than inserts were.
func rows(say func(row) error, name string, size int, rate float64, across bool, inserts float64) error {
	items := row{Case: name, Size: size, Value: rate, Unit: "items/s"}
	bytes := row{Case: name, Size: size, Value: rate * float64(size) / 1e9, Unit: "GB/s"}
	switch {
	case across && inserts > 0:
		items = items.atLeast(inserts)
	case across && size == small:
		items = items.atLeast(200_000)
	case across && size == big:
		bytes = bytes.atLeast(1.5)
	}
	return errors.Join(say(items), say(bytes))
}
