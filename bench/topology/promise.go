package topology

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// A promise is a figure beside what was promised, as programs read it.
type promise struct {
	Bench  string  `json:"bench"`
	Row    string  `json:"row"`
	Case   string  `json:"case"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target"` // at most
	Met    bool    `json:"met"`
	Note   string  `json:"note,omitempty"`
}

// atMost is a figure that was to be no larger than target.
func atMost(target, value float64, unit string) promise {
	return promise{Bench: "topology", Value: figures.Rounded(value), Unit: unit, Target: target, Met: value <= target}
}

// of says what the figure is about.
func (p promise) of(row, what, note string) promise {
	p.Row, p.Case, p.Note = row, what, note
	return p
}

// writePromises writes a table for people.
func writePromises(w io.Writer, all []promise) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tcase\tfigure\ttarget\t\t")
	for _, p := range all {
		fmt.Fprintf(t, "%s\t%s\t%.4g %s\t%.4g\t%s\t%s\n", p.Row, p.Case, p.Value, p.Unit, p.Target, figures.Verdict(p.Met), p.Note)
	}
	return t.Flush()
}
