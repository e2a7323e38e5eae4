//go:build unix

package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// folder is a work folder with its claim, as somebody finds it who did not make it.
type folder struct {
	*claim
	mark talk.Mark
	age  time.Duration
	held bool // somebody has locked the claim; else we have
}

// folders opens the claims in bases, but for our own: own is its folder, or empty.
func folders(bases []string, own string) []folder {
	var all []folder
	for _, base := range bases {
		paths, _ := filepath.Glob(filepath.Join(base, "tlaunch-*"+talk.ClaimSuffix)) // the pattern is well-formed
		for _, path := range paths {
			if path == own+talk.ClaimSuffix {
				continue
			}
			c, mark, err := openClaim(path)
			if err != nil {
				continue
			}
			f := folder{claim: c, mark: mark, held: !lock(c.file)}
			if info, err := c.file.Stat(); err == nil {
				f.age = time.Since(info.ModTime())
			}
			all = append(all, f)
		}
	}
	return all
}

// remove removes the folder, and then its claim.
func (f folder) remove() error {
	if err := removeFolder(f.dir); err != nil {
		return err
	}
	f.release()
	return nil
}

// remains is what is left on this machine of runs that are over here.
type remains struct {
	processes []marked
	folders   []folder
	running   map[talk.Mark]bool // the others, which are not to be touched
}

// findRemains looks for left-overs. It errs on the side of life: a run goes on that has an agent among the processes or a locked
// claim, and so does the run that we are a part of ourselves. Where run is not empty, only what that has left counts.
func findRemains(bases []string, own, run string) remains {
	all := markedProcesses()
	r := remains{running: living(all)}
	if own, ok := talk.ParseMark(os.Getenv(talk.MarkVariable)); ok {
		r.running[own] = true
	}
	found := folders(bases, own)
	for _, f := range found {
		if f.held {
			r.running[f.mark] = true
		}
	}
	for _, f := range found {
		if other := run != "" && f.mark.Run != run; other || r.running[f.mark] {
			_ = f.file.Close()
		} else {
			r.folders = append(r.folders, f)
		}
	}
	r.processes = slices.DeleteFunc(all, func(p marked) bool { return r.running[p.mark] || run != "" && p.mark.Run != run })
	return r
}

// close gives up the claims of folders that stay.
func (r remains) close() {
	for _, f := range r.folders {
		_ = f.file.Close()
	}
}

// homeBases are the folders in which agents of this user make their work folders, wherever the program was kept.
func homeBases() []string {
	uid := strconv.Itoa(os.Getuid())
	bases := []string{filepath.Join("/var/tmp/tlaunch-"+uid, "runs"), filepath.Join("/tmp/tlaunch-"+uid, "runs"), os.TempDir()}
	if home, err := os.UserHomeDir(); err == nil {
		bases = append(bases, filepath.Join(home, ".cache", "tlaunch", "runs"))
	}
	if cache := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(cache) {
		bases = append(bases, filepath.Join(cache, "tlaunch", "runs"))
	}
	return bases
}

// sweep removes what dead agents have left beside our own work folder, after the machine has lost its power for instance, and
// ends what their workers have left. What it has not finished when the agent ends is the next one's to finish.
func (a *agent) sweep() {
	base := []string{filepath.Dir(a.dir)}
	if !slices.ContainsFunc(folders(base, a.dir), func(f folder) bool {
		_ = f.file.Close()
		return !f.held
	}) {
		return // the usual case, and all that it costs
	}
	found := findRemains(base, a.dir, "")
	defer found.close()
	for _, f := range found.folders {
		if left := endMarked(func(p marked) bool { return p.mark == f.mark }, talk.LeaseNotice); len(left) == 0 {
			_ = f.remove() // a folder that resists keeps its claim
		}
	}
}
