//go:build unix && !linux

package child

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// headAttr gives the head a group of its own.
func headAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitEnd waits until the head has ended.
func awaitEnd(head *exec.Cmd) { _ = head.Wait() } // its state says how

// endFamily kills the group; descendants that have left it are not found here.
func endFamily(pid int, _ []string) { _ = unix.Kill(-pid, unix.SIGKILL) }
