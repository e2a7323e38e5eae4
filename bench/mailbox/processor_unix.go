//go:build unix

package mailbox

import (
	"syscall"
	"time"
)

// processorTime is what this process has used of the processors so far, in seconds, the kernel's work for it included.
func processorTime() (float64, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return (time.Duration(u.Utime.Nano()) + time.Duration(u.Stime.Nano())).Seconds(), err
}
