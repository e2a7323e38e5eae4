//go:build !linux

package consultest

import "syscall"

// dieWithParent has no counterpart here; cleanups end the child.
func dieWithParent() *syscall.SysProcAttr { return nil }
