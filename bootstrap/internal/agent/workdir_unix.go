//go:build unix

package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// makeDir makes the work folder under the first base that allows it.
func (a *agent) makeDir() error {
	var failed []error
	for _, base := range a.orders.Bases {
		if base == "" {
			base = os.TempDir()
		}
		if err := os.MkdirAll(base, 0o700); err != nil {
			failed = append(failed, err)
			continue
		}
		c, err := newClaim(base, "tlaunch-"+fileName(a.orders.Run)+"-"+fileName(a.orders.Host)+"-", os.Getenv(talk.MarkVariable))
		if err == nil {
			a.claim, a.dir = c, c.dir
			break
		}
		failed = append(failed, err)
	}
	if a.dir == "" {
		return fmt.Errorf("make a work folder: %w", errors.Join(failed...))
	}
	return nil
}

// awaitFiles lets the launcher bring files into the work folder.
func (a *agent) awaitFiles() error {
	if err := a.send(talk.FrameReady, talk.ReadyReport{Dir: a.dir}); err != nil {
		return fmt.Errorf("ask for files: %w", err)
	}
	tick := time.NewTicker(a.orders.Lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-a.proceed:
			return nil
		case <-a.terminate:
			return talk.ErrTerminated
		case <-tick.C:
			if time.Since(a.pulse.At()) > a.orders.Lease {
				return talk.ErrLeaseLost
			}
		}
	}
}

// fileName makes a part of a file name from a display name.
func fileName(s string) string {
	s = talk.PlainName(s)
	return s[:min(len(s), 40)]
}

// cleanUp removes the work folder and gives up the claim on it. A folder that cannot be removed keeps its claim, for the next who tries.
func (a *agent) cleanUp() {
	if a.claim == nil {
		return
	}
	if removeFolder(a.dir) == nil {
		a.claim.release()
	}
}

// noteUse makes the executable count as used now, where it lies in the cache that the work folder's first base belongs to: what
// was not used for an hour makes room there. A cache that takes no note of it is no reason not to start.
func (a *agent) noteUse() {
	if len(a.orders.Bases) == 0 || a.orders.Bases[0] == "" {
		return
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(filepath.Dir(a.orders.Bases[0]), filepath.Base(a.exe)), now, now)
}

// useNoted is how often the executable is noted as used, which is more than once in the hour that ship leaves it.
const useNoted = 20 * time.Minute

// keepNoting keeps the executable in its cache while the worker runs: a lost link is taken up again by starting it once more.
func (a *agent) keepNoting() {
	tick := time.NewTicker(useNoted)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.noteUse()
		case <-a.exited:
			return
		}
	}
}
