//go:build !unix

package child

import (
	"os"
	"os/exec"
	"syscall"
)

// Here a process can be killed and nothing else.

func headAttr() *syscall.SysProcAttr { return nil }

func awaitEnd(head *exec.Cmd) { _ = head.Wait() } // its state says how

func endFamily(int, []string) {}

func terminate(head *os.Process) { _ = head.Kill() }

func kill(head *os.Process) { _ = head.Kill() }

func statusOf(state *os.ProcessState) Status { return Status{Code: state.ExitCode()} }
