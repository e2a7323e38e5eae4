package consultest

import "syscall"

// dieWithParent makes the kernel kill the child when the test process is gone.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
