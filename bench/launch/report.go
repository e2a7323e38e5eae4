package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// report is everything that was found.
type report struct {
	machine figures.Machine
	where   string
	hosts   int
	rounds  int
	binary  int64 // size
	bouts   []*bout
	load    [2]string // before and after
}

// row is a comparison, as programs read it.
type row struct {
	Bench       string  `json:"bench"`
	Hosts       int     `json:"hosts"`
	Mode        string  `json:"mode"`
	Seconds     float64 `json:"seconds"`
	Peer        string  `json:"peer"`
	PeerKex     string  `json:"peer_kex"`
	PeerSeconds float64 `json:"peer_seconds"`
	Ratio       float64 `json:"ratio"`
}

// traffic is what left the launcher, as programs read it.
type traffic struct {
	Bench  string  `json:"bench"`
	Hosts  int     `json:"hosts"`
	Mode   string  `json:"mode"`
	Bytes  int64   `json:"bytes"`
	Binary int64   `json:"binary"`
	Copies float64 `json:"copies"`
}

// writeJSON writes a line for each comparison, and for a cold launch one of what left the launcher.
func (r report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, b := range r.bouts {
		ours := figures.SpreadOf(b.contestants[0].seconds).Median
		for _, c := range b.contestants[1:] {
			if c.err != nil {
				continue
			}
			theirs := figures.SpreadOf(c.seconds).Median
			if err := enc.Encode(row{
				Bench: "launch", Hosts: r.hosts, Mode: b.mode, Seconds: figures.Rounded(ours), Peer: c.peer, PeerKex: c.kex,
				PeerSeconds: figures.Rounded(theirs), Ratio: figures.Rounded(ours / theirs),
			}); err != nil {
				return err
			}
		}
		if b.mode != cold {
			continue
		}
		if err := enc.Encode(traffic{Bench: "launch", Hosts: r.hosts, Mode: b.mode, Bytes: b.sent, Binary: r.binary, Copies: figures.Rounded(r.copies(b))}); err != nil {
			return err
		}
	}
	return nil
}

// writeTable writes everything for people.
func (r report) writeTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nlaunch: %d hosts %s; medians of %d alternating rounds (min to max)\n\n", r.hosts, r.where, r.rounds)
	if err := r.writeRows(&b); err != nil {
		return err
	}
	b.WriteByte('\n')
	for _, bout := range r.bouts {
		r.writeOwn(&b, bout)
		if len(bout.outgrown) > 0 {
			fmt.Fprintf(&b, "%s: not for %d hosts, and so left out: %s; docs/bench.md says why\n", bout.mode, r.hosts, strings.Join(bout.outgrown, ", "))
		}
		if len(bout.missing) > 0 {
			fmt.Fprintf(&b, "%s: not installed here, and so left out: %s; make bench installs them\n", bout.mode, strings.Join(bout.missing, ", "))
		}
	}
	b.WriteString(r.machine.Describe(r.load[0], r.load[1]))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r report) writeRows(w *strings.Builder) error {
	var rows strings.Builder
	t := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "mode\twhat\tkey exchange\tseconds\tours/theirs\ttarget\tprocessor seconds")
	for _, b := range r.bouts {
		b.writeRows(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(rows.String()) {
		w.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}

func (b *bout) writeRows(w io.Writer) {
	ours := b.contestants[0]
	mine := figures.SpreadOf(ours.seconds)
	for _, c := range b.contestants {
		if c.err != nil {
			fmt.Fprintf(w, "%s\t%s\t%s\tfailed\t\t\t\n", b.mode, c.what, c.kex)
			continue
		}
		took := figures.SpreadOf(c.seconds)
		var ratio, promise, used string
		if c != ours {
			part := mine.Median / took.Median
			ratio = fmt.Sprintf("%.2f", part)
			if most, ok := target(b.mode, c.peer, c.kex == ours.kex); ok {
				promise = fmt.Sprintf("at most %.2f: %s", most, figures.Verdict(part <= most))
			}
		}
		if len(c.used) > 0 {
			used = fmt.Sprintf("%.2f", figures.SpreadOf(c.used).Median)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%s\t%s\t%s\n", b.mode, c.what, c.kex, took, ratio, promise, used)
	}
}

// writeOwn tells what concerns only us.
func (r report) writeOwn(w io.Writer, b *bout) {
	const mega = 1e6
	fmt.Fprintf(w, "%s: %v from the start of the launcher's process; its memory at most ", b.mode, figures.SpreadOf(b.whole))
	if b.peak == 0 {
		fmt.Fprint(w, figures.Unknown)
	} else {
		fmt.Fprintf(w, "%.0f MB", float64(b.peak)/mega)
		if r.hosts >= memoryHosts || b.peak > memoryTarget {
			fmt.Fprintf(w, " (target: at most %.0f MB at %d hosts: %s)", memoryTarget/mega, memoryHosts, figures.Verdict(b.peak <= memoryTarget))
		}
	}
	fmt.Fprintf(w, "; it sent %.1f MB of an executable of %.1f MB", float64(b.sent)/mega, float64(r.binary)/mega)
	if b.mode == cold {
		copies := r.copies(b)
		fmt.Fprintf(w, ": %.1f copies (target: at most %d: %s)", copies, copiesTarget, figures.Verdict(copies <= copiesTarget))
	}
	fmt.Fprintln(w)
}

// copies is how much of the executable left the launcher in one launch, at most.
func (r report) copies(b *bout) float64 {
	if r.binary == 0 {
		return 0
	}
	return float64(b.sent) / float64(r.binary)
}

// failures are those of peers.
func (r report) failures() error {
	var errs []error
	for _, b := range r.bouts {
		errs = append(errs, b.failures())
	}
	return errors.Join(errs...)
}
