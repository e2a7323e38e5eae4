package topology

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// report is everything that was found.
type report struct {
	cfg           config
	where         string
	machine       figures.Machine
	before, after string // load averages
	outcomes      []outcome
}

// row is one outcome, as programs read it.
type row struct {
	Bench     string  `json:"bench"`
	Operation string  `json:"op"`
	Algorithm string  `json:"algorithm"`
	Hosts     int     `json:"hosts"`
	Size      int     `json:"size"`
	Rate      string  `json:"rate"`
	TLS       bool    `json:"tls"`
	Seconds   float64 `json:"seconds"`
	Min       float64 `json:"min"`
	P95       float64 `json:"p95"`
	Bound     float64 `json:"bound_seconds"`
	Ratio     float64 `json:"ratio_to_bound"`
	Goodput   float64 `json:"link_bytes_per_second"`
	Wrong     int     `json:"wrong"` // results that were not what they should be
	target    float64
}

func (r report) rows() (all []row) {
	for _, o := range r.outcomes {
		op := operations[o.Operation]
		s := figures.SpreadOf(o.Seconds)
		sorted := slices.Sorted(slices.Values(o.Seconds))
		one := row{
			Bench: "topology", Operation: o.Operation, Algorithm: o.Algorithm, Hosts: r.cfg.hosts, Size: o.Size, Rate: r.cfg.rate, TLS: true,
			Seconds: s.Median, Min: s.Min, P95: sorted[(len(sorted)*95+99)/100-1], Goodput: o.Goodput, Wrong: o.Wrong, target: op.target,
			Bound: op.loads(r.cfg.hosts) * float64(o.Size) / o.Goodput,
		}
		if one.Bound > 0 {
			one.Ratio = figures.Rounded(one.Seconds / one.Bound)
		}
		all = append(all, one)
	}
	return all
}

// writeJSON writes a line for each outcome.
func (r report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, row := range r.rows() {
		if err := enc.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

// writeTable writes everything for people.
func (r report) writeTable(w io.Writer) error {
	var b, rows strings.Builder
	fmt.Fprintf(&b, "\ntopology: %s, TLS; the slowest member's time, of %d rounds\n\n", r.where, r.cfg.program.Rounds)
	t := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "operation\talgorithm\tbytes\tmedian s\tmin\tp95\tbound s\tratio\ttarget\twrong")
	for _, o := range r.rows() {
		promise := ""
		if o.target > 0 && o.Size >= 1<<20 {
			promise = fmt.Sprintf("%.2f: %s", o.target, figures.Verdict(o.Ratio <= o.target))
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.4f\t%.4f\t%.4f\t%.4f\t%.3f\t%s\t%d\n", o.Operation, o.Algorithm, o.Size, o.Seconds, o.Min, o.P95, o.Bound, o.Ratio, promise, o.Wrong)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(rows.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	b.WriteString("\n" + r.machine.Describe(r.before, r.after))
	_, err := io.WriteString(w, b.String())
	return err
}
