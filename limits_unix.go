//go:build unix

package tlaunch

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
)

// apply limits this process, and what it starts.
func (l Limits) apply() error {
	if err := limitCore(l.CoreDumps); err != nil {
		return fmt.Errorf("core dumps: %w", err)
	}
	if l.OpenFiles > 0 {
		if err := limitFiles(uint64(l.OpenFiles)); err != nil {
			return err
		}
	}
	if l.GOMAXPROCS > 0 {
		runtime.GOMAXPROCS(l.GOMAXPROCS)
	}
	if l.Memory > 0 {
		if err := limitMemory(uint64(l.Memory)); err != nil {
			return err
		}
		debug.SetMemoryLimit(l.soft())
	}
	for _, v := range l.variables() {
		name, value, _ := strings.Cut(v, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

func limitCore(allowed bool) error {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &r); err != nil {
		return err
	}
	r.Cur = 0
	if allowed {
		r.Cur = r.Max
	}
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &r)
}

// limitFiles takes both limits, so that nobody raises the one to the other.
func limitFiles(n uint64) error {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		return fmt.Errorf("%d open files, of which this host permits %d: %w", n, r.Max, err)
	}
	return nil
}

func limitMemory(n uint64) error {
	if used := dataSize(); used > n/2 {
		return fmt.Errorf("%d MiB of memory, of which the process has taken %d MiB before it does anything; is it built with the race detector?", n>>20, used>>20)
	}
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: n, Max: n})
}
