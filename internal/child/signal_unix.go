//go:build unix

package child

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

func terminate(head *os.Process) { _ = unix.Kill(-head.Pid, unix.SIGTERM) } // it may be ending

func kill(head *os.Process) { _ = unix.Kill(-head.Pid, unix.SIGKILL) }

func statusOf(state *os.ProcessState) Status {
	s := Status{Code: state.ExitCode()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		s.Code, s.Signal = 128+int(ws.Signal()), unix.SignalName(ws.Signal())
	}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		s.MaxRSS = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" {
			s.MaxRSS *= 1024 // kilobytes there, bytes on macOS
		}
	}
	return s
}
