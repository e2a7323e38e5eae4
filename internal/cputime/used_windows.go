package cputime

import (
	"syscall"
	"time"
)

// Used is the processor time of this process so far, of user and kernel; 0 where the system does not say.
func Used() time.Duration {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0
	}
	var began, ended, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(self, &began, &ended, &kernel, &user); err != nil {
		return 0
	}
	const tick = 100 * time.Nanosecond // of a Filetime that is a duration
	whole := func(f syscall.Filetime) time.Duration {
		return tick * time.Duration(int64(f.HighDateTime)<<32|int64(f.LowDateTime))
	}
	return whole(kernel) + whole(user)
}
