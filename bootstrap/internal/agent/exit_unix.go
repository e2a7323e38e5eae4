//go:build unix

package bootstrap

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// statusOf says how a worker ended.
func statusOf(status syscall.WaitStatus) exitReport {
	if status.Signaled() {
		return exitReport{Code: 128 + int(status.Signal()), Signal: unix.SignalName(status.Signal())}
	}
	return exitReport{Code: status.ExitStatus()}
}

// maxRSS is the largest resident memory in bytes.
func maxRSS(usage *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) // kilobytes elsewhere
	}
	return int64(usage.Maxrss) * 1024
}
