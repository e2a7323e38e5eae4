package tlaunch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// String is the report for people: what has become of the run, a table of its
// nodes, and the first cause where it has failed. With more than 20 nodes,
// those of a label that ended alike share a line.
func (r Report) String() string { return r.text(time.Now(), false) }

// manyNodes is how many nodes have a line each.
const manyNodes = 20

func (r Report) text(now time.Time, color bool) string {
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	var b strings.Builder
	b.WriteString(r.headline(now) + "\n")
	rows := [][]string{{"NODE", "HOST", "STATE", "EXIT", "RESTARTS", "TIME"}}
	for _, g := range r.groups() {
		rows = append(rows, g.row(now))
	}
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for k, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			switch {
			case i == len(row)-1:
				b.WriteString(cell + "\n")
				continue
			case i == 2 && k > 0 && State(cell).bad():
				cell = paint("31", cell)
			}
			b.WriteString(cell + pad + "  ")
		}
	}
	if r.FirstCause != nil {
		b.WriteString("\n" + paint("1", "first cause:") + " " + r.FirstCause.String())
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (s State) bad() bool { return s == StateFailed || s == StateKilled || s == StateLost }

// headline says what has become of the run, and of how many nodes what.
func (r Report) headline(now time.Time) string {
	state, end := "has run for", now
	if r.Over {
		state, end = "ended after", r.Ended
		if r.FirstCause != nil {
			state = "failed after"
		}
	}
	count := map[State]int{}
	for _, n := range r.Nodes {
		count[n.State]++
	}
	var parts []string
	for _, s := range []State{StateWaiting, StateRunning, StateEnded, StateStopped, StateKilled, StateLost, StateFailed} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	return fmt.Sprintf("%s %s %s; nodes: %s", r.Run, state, shortly(end.Sub(r.Started)), strings.Join(parts, ", "))
}

// shortly rounds a duration to what people read.
func shortly(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// alike is nodes of a label that share a line.
type alike []NodeReport

func (r Report) groups() (groups []alike) {
	type likeness struct {
		label    string
		state    State
		exit     string
		restarts int
	}
	at := map[likeness]int{}
	for _, n := range r.Nodes {
		label, _, _ := strings.Cut(n.Node, "/")
		k := likeness{label, n.State, n.exit(), n.Restarts}
		i, known := at[k]
		if !known || len(r.Nodes) <= manyNodes {
			at[k] = len(groups)
			groups = append(groups, alike{n})
			continue
		}
		groups[i] = append(groups[i], n)
	}
	return groups
}

// exit is the node's ending in the table.
func (n NodeReport) exit() string {
	s := n.Ending.String()
	switch {
	case s == "":
		return "-"
	case n.Ending.Phase != "" && n.Ending.Phase != "run":
		s += " in " + n.Ending.Phase
	}
	if n.Consequence && n.State == StateFailed {
		s += ", a consequence"
	}
	return s
}

func (g alike) row(now time.Time) []string {
	first := g[0]
	row := []string{bootstrap.Printable(first.Node), first.Host, string(first.State), first.exit(), strconv.Itoa(first.Restarts), "-"}
	if first.Name != "" {
		row[0] += " (" + bootstrap.Printable(first.Name) + ")"
	}
	if len(g) > 1 {
		keys, hosts := []string{}, map[string]bool{}
		for _, n := range g {
			keys = append(keys, n.Node)
			hosts[n.Host] = true
		}
		row[0] = fmt.Sprintf("%s: %d nodes", fold(keys), len(g))
		if len(hosts) > 1 {
			row[1] = fmt.Sprintf("%d hosts", len(hosts))
		}
	}
	if first.Started.IsZero() {
		return row
	}
	least := slices.MinFunc(g, func(a, b NodeReport) int { return cmp.Compare(a.Duration(now), b.Duration(now)) })
	most := slices.MaxFunc(g, func(a, b NodeReport) int { return cmp.Compare(a.Duration(now), b.Duration(now)) })
	row[5] = shortly(least.Duration(now))
	if to := shortly(most.Duration(now)); to != row[5] {
		row[5] += "–" + to
	}
	return row
}

// manyParts is how many labels and spans of numbers a list of nodes shows.
const manyParts = 8

// fold writes nodes in short: "worker/[0-2,5], hub/0".
func fold(nodes []string) string {
	var labels []string
	numbers := map[string][]int{}
	for _, n := range nodes {
		label, number, _ := strings.Cut(n, "/")
		i, err := strconv.Atoi(number)
		if err != nil {
			continue // names of nodes are made here, and end with a number
		}
		if numbers[label] == nil {
			labels = append(labels, label)
		}
		numbers[label] = append(numbers[label], i)
	}
	var parts []string
	for _, label := range labels {
		list := numbers[label]
		if len(list) == 1 {
			parts = append(parts, label+"/"+strconv.Itoa(list[0]))
			continue
		}
		slices.Sort(list)
		parts = append(parts, label+"/["+strings.Join(shorten(spans(list)), ",")+"]")
	}
	return strings.Join(shorten(parts), ", ")
}

// shorten leaves out what is too much to read.
func shorten(parts []string) []string {
	if len(parts) <= manyParts {
		return parts
	}
	return append(parts[:manyParts:manyParts], "…")
}

// spans writes ascending numbers as "0-2" and "5".
func spans(list []int) (parts []string) {
	for i := 0; i < len(list); {
		k := i
		for k+1 < len(list) && list[k+1] == list[k]+1 {
			k++
		}
		switch {
		case k == i:
			parts = append(parts, strconv.Itoa(list[i]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", list[i], list[k]))
		}
		i = k + 1
	}
	return parts
}

// String is the cause for people: what happened where in a line, and below it
// stack, last lines, and who else failed.
func (c *Cause) String() string {
	var b strings.Builder
	b.WriteString(indent(c.happening(), "  ") + "\n")
	for _, limit := range c.Limits {
		b.WriteString("  " + limit + "\n")
	}
	if c.Ending.Stack != "" {
		b.WriteString("  " + indent(strings.TrimRight(c.Ending.Stack, "\n"), "  ") + "\n")
	}
	if len(c.Last) > 0 {
		b.WriteString("  its last lines:\n")
		for _, l := range c.Last {
			b.WriteString("    " + clip(l, 400) + "\n")
		}
	}
	for _, list := range []struct {
		what  string
		nodes []string
	}{
		{"went down with it", c.Lost}, {"failed as a consequence", c.Consequences}, {"failed as well", c.Also},
	} {
		if len(list.nodes) > 0 {
			fmt.Fprintf(&b, "  %s: %s\n", list.what, fold(list.nodes))
		}
	}
	return b.String()
}

// clip cuts a long line: the start of it is what tells.
func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width]) + "…"
}

// happening says what happened where.
func (c *Cause) happening() string {
	e := c.Ending
	switch {
	case c.Node != "":
		name := c.Node
		if c.Name != "" {
			name += " (" + bootstrap.Printable(c.Name) + ")"
		}
		switch {
		case e.How == HowKilled && e.Phase != "":
			return fmt.Sprintf("node %s on %s had not ended when the notice was over (%s)", name, c.Host, e.Phase)
		case e.Phase == "":
			return fmt.Sprintf("the process of node %s on %s ended: %s", name, c.Host, e.Reason)
		}
		return fmt.Sprintf("node %s on %s failed (%s): %s", name, c.Host, e.Phase, e.Reason)
	case e.How == HowExit:
		return fmt.Sprintf("the process on %s ended with exit status %d before it should", c.Host, e.Status)
	case e.How == HowSignal:
		return fmt.Sprintf("the process on %s was killed by %s", c.Host, e.Signal)
	case e.How == HowKilled:
		return fmt.Sprintf("the process on %s was killed: %s", c.Host, e.Reason)
	case e.How == HowMemory:
		return fmt.Sprintf("the process on %s was killed for want of memory", c.Host)
	case e.How == HowSilent:
		return fmt.Sprintf("the process on %s stopped answering, and was killed", c.Host)
	case e.How == HowLost:
		return fmt.Sprintf("%s was lost: %s", c.Host, e.Reason)
	}
	return e.Reason
}

func indent(s, by string) string { return strings.ReplaceAll(s, "\n", "\n"+by) }
