//go:build unix && !linux

package agent

import (
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// ward is a worker with its process group.
type ward struct {
	how    string
	worker *exec.Cmd
	ended  chan struct{} // the agent's
}

// startWard starts the worker in a session of its own, whose process group can be killed. When it has been waited for, ended is closed.
func startWard(cmd exec.Cmd, _ func(func()), _ time.Duration, ended chan struct{}) (*ward, error) {
	w := &ward{how: "process group", worker: &cmd, ended: ended}
	w.worker.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], talk.Marker+"="+talk.RoleWorker)
	w.worker.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := w.worker.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = w.worker.Wait() // the state says how it ended
		close(w.ended)
	}()
	return w, nil
}

// kill ends the worker and its process group.
func (w *ward) kill() {
	_ = unix.Kill(-w.worker.Process.Pid, unix.SIGKILL)
	_ = w.worker.Process.Kill()
}

// reap does nothing: only Linux hands orphans to a chosen ancestor.
func (w *ward) reap() {}

// finish says how the worker ended, and kills what is left of its process group.
func (w *ward) finish() (talk.ExitReport, int) {
	<-w.ended
	_ = unix.Kill(-w.worker.Process.Pid, unix.SIGKILL)
	var report talk.ExitReport
	if status, ok := w.worker.ProcessState.Sys().(syscall.WaitStatus); ok {
		report = statusOf(status)
	}
	if usage, ok := w.worker.ProcessState.SysUsage().(*syscall.Rusage); ok {
		report.MaxRSS = maxRSS(usage)
	}
	return report, 0
}

func Trim() {}
