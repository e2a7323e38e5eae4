//go:build unix

package bootstrap

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitOf says how a worker ended.
func exitOf(state *os.ProcessState) exitReport {
	var r exitReport
	r.Code = state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		r.Code, r.Signal = 128+int(ws.Signal()), unix.SignalName(ws.Signal())
	}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		r.MaxRSS = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" {
			r.MaxRSS *= 1024 // kilobytes there, bytes on macOS
		}
	}
	return r
}
