package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// measure looks at this host. Its working folder is one that the run has made.
func measure(ctx context.Context) (s Status, err error) {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return s, err
	}
	if s.Load, err = parseLoad(string(load)); err != nil {
		return s, err
	}
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return s, err
	}
	if s.MemoryUsed, s.Memory, err = parseMemory(string(memory)); err != nil {
		return s, err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(".", &disk); err != nil {
		return s, fmt.Errorf("the file system of the working folder: %w", err)
	}
	s.Disk = disk.Blocks * uint64(disk.Bsize)
	s.DiskUsed = (disk.Blocks - disk.Bavail) * uint64(disk.Bsize)
	s.CPUs = runtime.NumCPU()
	if s.GPUs, err = gpus(ctx); err != nil {
		s.GPUError = err.Error() // the rest is worth knowing all the same
	}
	return s, ctx.Err()
}
