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
	machine       figures.Machine
	before, after string // load averages
	bouts         []bout
}

// A bout is what was found with one number of hosts.
type bout struct {
	where    string
	hosts    int
	rate     string
	tls      bool
	outcomes []outcome
	feats    []feat // of peers
	peersErr error  // why there are no more
}

// row is one outcome, as programs read it; beside each peer's, if there are any.
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
	Expected  float64 `json:"expected_seconds,omitempty"`
	Taken     string  `json:"taken,omitempty"`         // by auto, or by a peer
	Best      float64 `json:"ratio_to_best,omitempty"` // of auto, to the fastest of the others
	Goodput   float64 `json:"link_bytes_per_second"`
	Bus       float64 `json:"bus_bytes_per_second"`      // over the busiest link, at least
	PerGiB    float64 `json:"processor_seconds_per_gib"` // of all members, for a GiB of one member's data
	Busy      float64 `json:"processors_busy,omitempty"` // of the busiest host, 0 to 1
	Wrong     int     `json:"wrong"`                     // results that were not what they should be
	Peer      string  `json:"peer,omitempty"`
	PeerTime  float64 `json:"peer_seconds,omitempty"`
	PeerTaken string  `json:"peer_taken,omitempty"`
	target    float64
}

// newRow is what is said of ours and of peers alike.
func (b bout) newRow(operation string, size int, seconds, processors []float64, goodput float64) row {
	op, s := operations[operation], figures.SpreadOf(seconds)
	sorted := slices.Sorted(slices.Values(seconds))
	r := row{
		Bench: "topology", Operation: operation, Hosts: b.hosts, Size: size, Rate: b.rate,
		Seconds: s.Median, Min: s.Min, P95: sorted[(len(sorted)*95+99)/100-1], Goodput: goodput,
	}
	crossing := op.loads(b.hosts) * float64(size)
	r.Bound, r.Bus = crossing/goodput, crossing/s.Median
	if r.Bound > 0 {
		r.Ratio = figures.Rounded(r.Seconds / r.Bound)
		r.PerGiB = figures.Rounded(figures.SpreadOf(processors).Median / (float64(size) / (1 << 30)))
	}
	return r
}

// rows are ours.
func (b bout) rows() (all []row) {
	for _, o := range b.outcomes {
		r := b.newRow(o.Operation, o.Size, o.Seconds, o.Processors, o.Goodput)
		r.Algorithm, r.TLS, r.Wrong, r.target = o.Algorithm, b.tls, o.Wrong, operations[o.Operation].target
		r.Expected, r.Taken, r.Busy = o.Expected, o.Taken, figures.Rounded(o.Busy)
		if best := b.best(o); o.Taken != "" && best > 0 {
			r.Best = figures.Rounded(r.Seconds / best)
		}
		all = append(all, r)
	}
	return all
}

// best is the time of the fastest of ours that was not chosen by auto.
func (b bout) best(of outcome) (least float64) {
	for _, o := range b.outcomes {
		if o.Operation == of.Operation && o.Size == of.Size && o.Taken == "" && o.Algorithm != bareChain {
			if s := figures.SpreadOf(o.Seconds).Median; least == 0 || s < least {
				least = s
			}
		}
	}
	return least
}

// peers are the rows of peers for an operation and size, of whom Algorithm is the name.
func (b bout) peers(of row) (all []row) {
	for _, f := range b.feats {
		if f.Operation == of.Operation && f.Size == of.Size {
			r := b.newRow(f.Operation, f.Size, f.Seconds, f.Processors, of.Goodput)
			r.Algorithm, r.Taken, r.Wrong = f.Peer, f.How, f.Wrong
			all = append(all, r)
		}
	}
	return all
}

// writeJSON writes a line for each of ours beside each peer.
func (r report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, b := range r.bouts {
		for _, one := range b.rows() {
			beside := b.peers(one)
			for _, peer := range beside {
				one.Peer, one.PeerTime, one.PeerTaken = peer.Algorithm, peer.Seconds, peer.Taken
				if err := enc.Encode(one); err != nil {
					return err
				}
			}
			if len(beside) > 0 {
				continue
			}
			if err := enc.Encode(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTable writes everything for people.
func (r report) writeTable(w io.Writer) error {
	var text strings.Builder
	for _, b := range r.bouts {
		if err := b.writeTable(&text, r.cfg); err != nil {
			return err
		}
	}
	text.WriteString("\n" + r.machine.Describe(r.before, r.after))
	_, err := io.WriteString(w, text.String())
	return err
}

func (b bout) writeTable(w *strings.Builder, cfg config) error {
	var rows strings.Builder
	fmt.Fprintf(w, "\ntopology: %s, ours %s TLS, peers without; the slowest member's time, of %d rounds\n\n", b.where, map[bool]string{true: "with", false: "without"}[b.tls], cfg.program.Rounds)
	t := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "operation\tbytes\talgorithm\tmedian s\tmin\tp95\tbound s\tratio\ttarget\texpected s\tto best\tbus MB/s\tCPU s/GiB\tbusy\twrong\ttaken")
	for _, group := range b.groups() {
		for _, o := range append(group, b.peers(group[0])...) {
			promise, expected, best, busy := "", "", "", ""
			if o.target > 0 && o.Size >= 1<<20 {
				promise = fmt.Sprintf("%.2f: %s", o.target, figures.Verdict(o.Ratio <= o.target))
			}
			if o.Expected > 0 {
				expected = fmt.Sprintf("%.4f", o.Expected)
			}
			if o.Best > 0 {
				best = fmt.Sprintf("%.2f", o.Best)
			}
			if o.Busy > 0 {
				busy = fmt.Sprintf("%.0f %%", o.Busy*100)
			}
			fmt.Fprintf(t, "%s\t%d\t%s\t%.4f\t%.4f\t%.4f\t%.4f\t%.3f\t%s\t%s\t%s\t%.1f\t%.2f\t%s\t%d\t%s\n", o.Operation, o.Size, o.Algorithm, o.Seconds, o.Min, o.P95,
				o.Bound, o.Ratio, promise, expected, best, o.Bus/1e6, o.PerGiB, busy, o.Wrong, o.Taken)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(rows.String()) {
		w.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if len(b.outcomes) > 0 {
		fmt.Fprintf(w, "\nthe first host: %s\n", b.outcomes[0].Link)
	}
	printed := map[string]bool{}
	for _, f := range b.feats {
		if !printed[f.Command] {
			printed[f.Command] = true
			fmt.Fprintf(w, "%s, %s of %d bytes: %s\n", f.Peer, f.Operation, f.Size, f.Command)
		}
	}
	for _, o := range b.outcomes {
		if cfg.explain && o.Taken != "" {
			fmt.Fprintf(w, "\n%s", o.Forecast)
		}
	}
	return nil
}

// groups are our rows by operation and size, in the order in which they were measured.
func (b bout) groups() (all [][]row) {
	for _, r := range b.rows() {
		last := len(all) - 1
		if last >= 0 && all[last][0].Operation == r.Operation && all[last][0].Size == r.Size {
			all[last] = append(all[last], r)
		} else {
			all = append(all, []row{r})
		}
	}
	return all
}

// sizeText is a number of bytes, for people.
func sizeText(bytes int) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.3g MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.3g KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d B", bytes)
}
