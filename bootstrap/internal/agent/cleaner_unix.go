//go:build unix

package agent

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// runClean is the whole life of a cleaner, which looks for what other runs have left and says so; it returns the status to exit with.
func runClean() int {
	link, err := claimStdio()
	if err == nil {
		err = clean(link)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap: cleaner:", err)
		return ExitBroken
	}
	return 0
}

func clean(link *stdio) error {
	if _, err := io.WriteString(link, talk.Preamble); err != nil {
		return fmt.Errorf("greet the launcher: %w", err)
	}
	var orders talk.CleanOrders
	if err := talk.ReadMessage(link, talk.MaxEnvelope, talk.FrameClean, &orders); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	bases := homeBases()
	for _, base := range orders.Bases {
		if filepath.IsAbs(base) { // empty is one that we know
			bases = append(bases, filepath.Clean(base))
		}
	}
	slices.Sort(bases)
	return talk.WriteMessage(link, talk.FrameCleaned, cleanHere(slices.Compact(bases), orders))
}

// cleanHere looks for left-overs on this machine, and on request ends them.
func cleanHere(bases []string, orders talk.CleanOrders) talk.CleanReport {
	before := findRemains(bases, "", orders.Run)
	report := before.report()
	if !orders.End {
		before.close()
		return report
	}
	dead := map[talk.Mark]bool{}
	for _, p := range before.processes {
		dead[p.mark] = true
	}
	left, resist := map[int]bool{}, map[talk.Mark]bool{}
	for _, p := range endMarked(func(p marked) bool { return dead[p.mark] }, talk.LeaseNotice) {
		left[p.pid], resist[p.mark] = true, true
	}
	problems := map[string]string{} // of folders that are still there
	for _, f := range before.folders {
		if resist[f.mark] {
			problems[f.dir] = "a process that works in it resists SIGKILL"
		} else if err := f.remove(); err != nil {
			problems[f.dir] = err.Error()
		}
	}
	before.close()
	for i := range report.Found {
		f := &report.Found[i]
		switch {
		case f.Foreign:
		case f.PID != 0 && left[f.PID]:
			f.Problem = "it resists SIGKILL: it waits in the kernel, for a disk or a device"
		case f.PID == 0 && problems[f.Path] != "":
			f.Problem = problems[f.Path]
		default:
			f.Ended = true
		}
	}
	return report
}

// report describes what was found.
func (r remains) report() talk.CleanReport {
	var report talk.CleanReport
	for _, p := range r.processes {
		report.Found = append(report.Found, talk.Leftover{
			Mark: p.mark, PID: p.pid, Command: p.command, User: userName(p.uid), Age: p.age, Foreign: p.uid != os.Geteuid(),
		})
	}
	for _, f := range r.folders {
		report.Found = append(report.Found, talk.Leftover{Mark: f.mark, Path: f.dir, User: userName(os.Geteuid()), Age: f.age})
	}
	slices.SortFunc(report.Found, compareLeftovers)
	report.Running = slices.SortedFunc(maps.Keys(r.running), func(a, b talk.Mark) int { return slices.Compare([]byte(a.String()), []byte(b.String())) })
	return report
}

// userName returns the name of a user, or the number where it has none.
func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// compareLeftovers orders processes before folders, each by mark and age.
func compareLeftovers(a, b talk.Leftover) int {
	return cmp.Or(
		cmp.Compare(min(b.PID, 1), min(a.PID, 1)),
		cmp.Compare(a.Mark.String(), b.Mark.String()),
		cmp.Compare(b.Age, a.Age),
		cmp.Compare(a.PID, b.PID),
		cmp.Compare(a.Path, b.Path),
	)
}
