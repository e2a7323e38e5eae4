//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// Used is the processor time of this process so far, of user and kernel; 0 where the system does not say.
func Used() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
