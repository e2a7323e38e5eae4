package mailbox

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// report is everything that was found.
type report struct {
	machine       figures.Machine
	before, after string // load averages
	rounds        int
	bouts         []*bout
	leftOut       []string // cases, and why
}

// row is a comparison, as programs read it. Ours over theirs is the ratio.
type row struct {
	Bench     string  `json:"bench"`
	Case      string  `json:"case"`
	Size      int     `json:"size"`
	TLS       bool    `json:"tls"`
	Figure    string  `json:"figure,omitempty"` // of several
	Value     float64 `json:"value"`
	Min       float64 `json:"min"`
	Max       float64 `json:"max"`
	Unit      string  `json:"unit"`
	Sender    float64 `json:"sender_allocations"` // for each message
	Receiver  float64 `json:"receiver_allocations"`
	Peer      string  `json:"peer"`
	PeerValue float64 `json:"peer_value"`
	PeerMin   float64 `json:"peer_min"`
	PeerMax   float64 `json:"peer_max"`
	Ratio     float64 `json:"ratio"`
	promise   target
}

// rows are those of one bout.
func (b *bout) rows() []row {
	var rows []row
	for _, t := range b.targets {
		ours, theirs := b.contestants[0], b.contestants[1]
		mine, peer := figures.SpreadOf(ours.figures[t.figure]), figures.SpreadOf(theirs.figures[t.figure])
		r := row{
			Bench: "mailbox", Case: b.kind, Size: b.size, TLS: b.tls, Figure: t.figure, Unit: b.unitOf(t.figure),
			Value: digits(mine.Median), Min: digits(mine.Min), Max: digits(mine.Max), Sender: digits(figures.SpreadOf(ours.sent).Median),
			Peer: b.peer, PeerValue: digits(peer.Median), PeerMin: digits(peer.Min), PeerMax: digits(peer.Max),
			Ratio: figures.Rounded(mine.Median / peer.Median), promise: t,
		}
		if len(ours.handled) > 0 {
			r.Receiver = digits(figures.SpreadOf(ours.handled).Median)
		}
		rows = append(rows, r)
	}
	return rows
}

// digits leaves those that mean something: two behind the point, none in large figures.
func digits(x float64) float64 {
	if x >= 1000 {
		return math.Round(x)
	}
	return math.Round(x*100) / 100
}

// writeJSON writes a line for each comparison.
func (r report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, b := range r.bouts {
		for _, row := range b.rows() {
			if err := enc.Encode(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTable writes everything for people.
func (r report) writeTable(w io.Writer) error {
	var b, rows strings.Builder
	fmt.Fprintf(&b, "\nmailbox: two processes on loopback, or one where it says local; medians of %d alternating rounds (min to max)\n\n", r.rounds)
	t := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tbytes\ttls\ttlaunch\tbeside it\t\tours/theirs\ttarget\tallocations: sender\treceiver")
	for _, bout := range r.bouts {
		for _, row := range bout.rows() {
			row.write(t)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(rows.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	for _, line := range r.leftOut {
		b.WriteString("left out: " + line + "\n")
	}
	b.WriteString("\n" + r.machine.Describe(r.before, r.after))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r row) write(w io.Writer) {
	name, secure, promise := r.Case, "", r.promise.String()
	if r.Figure != "" {
		name += " " + r.Figure
	}
	if r.TLS {
		secure = "yes"
	}
	if promise != "" {
		promise += ": " + figures.Verdict(r.promise.met(r.Ratio))
	}
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%.2f\t%s\t%.2f\t%.2f\n", name, r.Size, secure,
		inUnit(r.Value, r.Min, r.Max, r.Unit), r.Peer, inUnit(r.PeerValue, r.PeerMin, r.PeerMax, r.Unit), r.Ratio, promise, r.Sender, r.Receiver)
}

// inUnit writes a figure as people say it.
func inUnit(median, low, high float64, unit string) string {
	scale, digits := 1.0, 1
	switch unit {
	case messagesPerSecond:
		scale, digits, unit = 1e6, 3, "M msg/s"
	case messagesPerProcessor:
		scale, digits, unit = 1e6, 3, "M msg a processor second"
	case bytesPerSecond:
		scale, digits, unit = 1e9, 2, "GB/s"
	case bytesHeld:
		scale, digits, unit = 1<<10, 0, "KiB"
	}
	return fmt.Sprintf("%.*f (%.*f to %.*f) %s", digits, median/scale, digits, low/scale, digits, high/scale, unit)
}
