//go:build unix

package bootstrap

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const localSupported = true

// agentAttr puts an agent into a session of its own: Ctrl-C at the launcher's terminal is the launcher's to handle.
func agentAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// killGroup kills a process that agentAttr was used for, and its children.
func killGroup(p *os.Process) {
	_ = unix.Kill(-p.Pid, unix.SIGKILL)
	_ = p.Kill()
}
