//go:build unix

package agent

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// statusOf says how a worker ended.
func statusOf(status syscall.WaitStatus) talk.ExitReport {
	if status.Signaled() {
		return talk.ExitReport{Code: 128 + int(status.Signal()), Signal: unix.SignalName(status.Signal())}
	}
	return talk.ExitReport{Code: status.ExitStatus()}
}

// maxRSS is the largest resident memory in bytes.
func maxRSS(usage *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) // kilobytes elsewhere
	}
	return int64(usage.Maxrss) * 1024
}
