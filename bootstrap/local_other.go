//go:build !unix

package bootstrap

import (
	"os"
	"syscall"
)

const localSupported = false

func agentAttr() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) { _ = p.Kill() }
