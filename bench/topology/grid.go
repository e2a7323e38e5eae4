package topology

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// The row of Auto: a grid of operations, sizes, numbers of hosts, and links that are alike or not. In each cell the same members do the operation in each
// fixed way and as Auto chooses.

// gridHosts and gridSizes are what the row takes, unless flags say otherwise. What Auto reckons with was fitted to 8 hosts with even links:
// all other cells were not seen then. The largest size, of which a round takes seconds, is measured with some numbers of hosts. Auto goes first: see hopeless.
var (
	gridHosts = []int{2, 3, 5, 7, 8, 12, 16}
	gridSizes = []int{1 << 10, 32 << 10, 1 << 20, 16 << 20}
	gridLarge = map[bool][]int{false: {3, 8, 16}, true: {2, 7}} // by whether links are uneven
	gridWays  = map[string][]string{
		"broadcast":  {"auto", "chain", "tree", "doubletree", "doubling", "direct"},
		"all-reduce": {"auto", "ring", "doubling", "doubletree", "tree"},
	}
)

const (
	gridLargest = 256 << 20
	gridSeconds = 2 // for the rounds of a way in a cell
)

// unevenRate is what each third host has on uneven links.
const unevenRate = "300mbit"

// A cell is how Auto did there.
type cell struct {
	what  string
	best  float64 // its time to that of the best fixed way
	error float64 // of its prediction: its time to what was expected, or the other way round, whichever is at least 1
	large bool    // from 1 MiB up
}

// auto measures the grid.
func (s *survey) auto(ctx context.Context) error {
	hosts, sizes := gridHosts, gridSizes
	if s.cfg.given["hosts"] {
		hosts = s.cfg.counts
	}
	if s.cfg.given["sizes"] {
		sizes = s.cfg.program.Sizes
	}
	var cells []cell
	var errs []error
	for _, n := range hosts {
		for _, uneven := range []bool{false, true} {
			if uneven && (s.cfg.local || s.cfg.inventory != "") {
				continue // their links are as they are
			}
			for _, operation := range []string{"broadcast", "all-reduce"} {
				at := sizes
				if !s.cfg.given["sizes"] && slices.Contains(gridLarge[uneven], n) {
					at = append(slices.Clone(sizes), gridLargest)
				}
				found, err := s.cells(ctx, n, uneven, operation, at)
				cells, errs = append(cells, found...), append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, s.judge(cells))...)
}

// cells measures one operation with one number of hosts.
func (s *survey) cells(ctx context.Context, n int, uneven bool, operation string, sizes []int) (all []cell, err error) {
	c := s.at(wide, []string{operation}, gridWays[operation], nil)
	c.hosts, c.counts, c.program.Sizes, c.program.Most = n, []int{n}, sizes, gridSeconds
	links := "even"
	if uneven {
		links, c.rates = "uneven", map[string]string{}
		for i := 2; i <= n; i += 3 {
			c.rates[fmt.Sprintf("host%d", i)] = unevenRate
		}
	}
	if !s.cfg.given["rounds"] {
		c.program.Rounds, c.program.Small = 5, 50
	}
	c.progress = func(o outcome) {
		fmt.Fprintf(s.stderr, "bench topology: %d hosts, %s links: %s of %s by %s: %.4g s in %d rounds\n", n, links, operation, sizeText(o.Size), o.Algorithm, figures.SpreadOf(o.Seconds).Median, len(o.Seconds))
	}
	b, err := s.run(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, r := range b.rows() {
		if r.Algorithm != "auto" {
			continue
		}
		one := cell{fmt.Sprintf("%s of %s, %d hosts, %s links", operation, sizeText(r.Size), n, links), r.Best, math.Max(r.Seconds/r.Expected, r.Expected/r.Seconds), r.Size >= mib}
		all = append(all, one)
		fmt.Fprintf(s.stderr, "bench topology: auto: %s: %.4g s by %s, %.2f of the best, expected %.4g s\n", one.what, r.Seconds, r.Taken, r.Best, r.Expected)
	}
	return all, nil
}

// judge says how many cells are as promised, and tells the worst.
func (s *survey) judge(cells []cell) error {
	var errs []error
	for _, p := range []struct {
		what, unit string
		target     float64
		counts     func(cell) bool
		value      func(cell) float64
	}{
		{"time, all sizes", "of the best fixed choice", 1.10, func(cell) bool { return true }, func(c cell) float64 { return c.best }},
		{"prediction from 1 MiB up", "times off", 1.25, func(c cell) bool { return c.large }, func(c cell) float64 { return c.error }},
		{"prediction below 1 MiB", "times off", 2, func(c cell) bool { return !c.large }, func(c cell) float64 { return c.error }},
	} {
		var values []float64
		met, worst := 0, cell{}
		for _, c := range cells {
			if !p.counts(c) {
				continue
			}
			values = append(values, p.value(c))
			if p.value(c) <= p.target {
				met++
			}
			if worst.what == "" || p.value(c) > p.value(worst) {
				worst = c
			}
		}
		if len(values) == 0 {
			continue
		}
		note := fmt.Sprintf("%d of %d cells as promised, the median %.2f; the worst: %s", met, len(values), figures.SpreadOf(values).Median, worst.what)
		errs = append(errs, s.say(atMost(p.target, p.value(worst), p.unit).of("", p.what, note)))
	}
	return errors.Join(errs...)
}
