//go:build unix

package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
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
		dir, err := os.MkdirTemp(base, "tlaunch-"+fileName(a.orders.Run)+"-"+fileName(a.orders.Host)+"-")
		if err == nil {
			a.dir = dir
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
	if err := a.send(frameReady, readyReport{Dir: a.dir}); err != nil {
		return fmt.Errorf("ask for files: %w", err)
	}
	tick := time.NewTicker(a.orders.Lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-a.proceed:
			return nil
		case <-a.terminate:
			return ErrTerminated
		case <-tick.C:
			if time.Since(a.pulse.at()) > a.orders.Lease {
				return ErrLeaseLost
			}
		}
	}
}

// fileName makes a part of a file name from a display name.
func fileName(s string) string {
	s = plainName(s)
	return s[:min(len(s), 40)]
}

// cleanUp removes the work folder, folders without write permission included.
func (a *agent) cleanUp() {
	if a.dir == "" || os.RemoveAll(a.dir) == nil {
		return
	}
	_ = filepath.WalkDir(a.dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(a.dir)
}

// noteUse makes the executable exe count as used now, where it lies in the cache that the work folder's first base belongs to: what
// was not used for long makes room there. A cache that takes no note of it is no reason not to start.
func (a *agent) noteUse(exe string) {
	if len(a.orders.Bases) == 0 || a.orders.Bases[0] == "" {
		return
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(filepath.Dir(a.orders.Bases[0]), filepath.Base(exe)), now, now)
}
