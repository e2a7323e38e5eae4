package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// result is what is known of a host.
type result struct {
	host string
	bootstrap.Leftovers
	err error // it was not reached, and nothing is known
}

// statusOf is the status to exit with: what is not known weighs more than what is left.
func statusOf(results []result) int {
	status := statusClean
	for _, r := range results {
		switch {
		case r.err != nil:
			return statusUnknown
		case r.Own() > 0:
			status = statusLeft
		}
	}
	return status
}

// writeTable prints a line for each left-over, and one that sums up.
func writeTable(w io.Writer, results []result, killed bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := 0
	for _, r := range results {
		for _, l := range r.Found {
			if rows == 0 {
				fmt.Fprintln(table, "HOST\tMARK\tPID\tUSER\tAGE\tSTATE\tWHAT")
			}
			rows++
			fmt.Fprintln(table, strings.Join(row(r.host, l), "\t"))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, summary(results, killed))
	return err
}

// row is the line of one left-over. What hosts say cannot harm a terminal.
func row(host string, l bootstrap.Leftover) []string {
	mark, pid, what := l.Mark.String(), "-", l.Path
	if l.Mark == (bootstrap.Mark{}) {
		mark = "-"
	}
	if l.PID != 0 {
		pid, what = strconv.Itoa(l.PID), l.Command
	}
	cells := []string{host, mark, pid, l.User, age(l.Age), state(l), what}
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(bootstrap.Printable(c), "\t", " ")
	}
	return cells
}

func state(l bootstrap.Leftover) string {
	switch {
	case l.Foreign:
		return "another user's"
	case l.Ended:
		return "ended"
	case l.Problem != "":
		return "left: " + l.Problem
	}
	return "left"
}

// age is short, and not more exact than it needs to be.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%dd", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// summary counts, and says what can be done.
func summary(results []result, killed bool) string {
	var processes, folders, ended, foreign, failed int
	running := map[string]bool{}
	for _, r := range results {
		if r.err != nil {
			failed++
		}
		for _, m := range r.Running {
			running[m.Run] = true
		}
		for _, l := range r.Found {
			switch {
			case l.Foreign:
				foreign++
			case l.Ended:
				ended++
			case l.PID != 0:
				processes++
			default:
				folders++
			}
		}
	}
	var parts []string
	switch reached := len(results) - failed; {
	case processes+folders > 0:
		left := fmt.Sprintf("%s and %s left", count(processes, "process", "processes"), count(folders, "folder", "folders"))
		if !killed {
			left += " (-kill ends them)"
		}
		parts = append(parts, left)
	case failed > 0 && reached > 0:
		parts = append(parts, fmt.Sprintf("nothing is left on the %d that answered", reached))
	case reached > 0 && foreign > 0:
		parts = append(parts, "nothing of yours is left")
	case reached > 0:
		parts = append(parts, "nothing is left")
	}
	if killed {
		parts = append(parts, fmt.Sprintf("%d ended", ended))
	}
	if foreign > 0 {
		parts = append(parts, fmt.Sprintf("%d of other users", foreign))
	}
	if len(running) > 0 {
		parts = append(parts, count(len(running), "run goes on", "runs go on"))
	}
	if failed > 0 {
		parts = append(parts, count(failed, "host not reached", "hosts not reached"))
	}
	return count(len(results), "host", "hosts") + ": " + strings.Join(parts, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
