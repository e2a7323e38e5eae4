//go:build linux

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killPatience is how long processes may take to be gone after SIGKILL.
const killPatience = 30 * time.Second

// Process is a process on a host.
type Process struct {
	// PID and PPID are as the machine sees them.
	PID, PPID int
	// Args is the command line; empty for a process that is ending.
	Args []string
}

// Processes returns the processes on the host, by PID, in any PID namespace. The package's own two, the listening sshd and the keeper of
// the namespaces, are left out, and so are zombies: a host on which nothing was started or logged in has none.
func (h *Host) Processes() ([]Process, error) {
	all, err := processesIn(h.netns)
	return slices.DeleteFunc(all, func(p Process) bool {
		return p.PID == h.keeper.Process.Pid || h.sshd != nil && p.PID == h.sshd.cmd.Process.Pid
	}), err
}

// KillAll kills, with SIGKILL and until none is left, what Processes returns, sessions of sshd included. The host stays up.
func (h *Host) KillAll() error { return kill(h.Processes) }

// CPUTime is the processor time, of user and kernel, that the host's sshd and its sessions have taken since sshd was started, with all
// processes in them that have ended and were waited for; zero while sshd is stopped. It has a resolution of a hundredth of a second.
func (h *Host) CPUTime() (time.Duration, error) {
	if h.sshd == nil {
		return 0, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.sshd.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("netns: sshd of %s: %w", h.Name, err)
	}
	fields := statFields(stat)
	const utime, cstime, tick = 11, 14, time.Second / 100 // USER_HZ, which the kernel never changes towards programs
	if len(fields) <= cstime {
		return 0, fmt.Errorf("netns: sshd of %s: /proc says %q", h.Name, stat)
	}
	var sum time.Duration
	for _, field := range fields[utime : cstime+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("netns: sshd of %s: %w", h.Name, err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// statFields are those of /proc/PID/stat from the third on: pid (name) state ppid … The name may hold spaces and parentheses, so they are counted from its end.
func statFields(stat []byte) []string {
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// kill kills the processes that list returns until there are none.
func kill(list func() ([]Process, error)) error {
	deadline := time.Now().Add(killPatience)
	for {
		left, err := list()
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("netns: still there %v after SIGKILL: %v", killPatience, left)
		}
		for _, p := range left {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("netns: kill %d %q: %w", p.PID, p.Args, err)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// processesIn returns the processes in the network namespace of this name, none where there is no such namespace.
func processesIn(netns string) ([]Process, error) {
	want, err := os.Stat(filepath.Join("/run/netns", netns))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []Process
	for _, dir := range dirs {
		// A process that ends meanwhile, and a zombie, has no namespace: not found.
		if is, err := os.Stat(filepath.Join(dir, "ns/net")); err != nil || !os.SameFile(is, want) {
			continue
		}
		if p, ok := readProcess(dir); ok {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b Process) int { return a.PID - b.PID })
	return found, nil
}

// readProcess reads a folder of /proc. It reports false for a process that has ended.
func readProcess(dir string) (Process, bool) {
	pid, err := strconv.Atoi(filepath.Base(dir))
	if err != nil {
		return Process{}, false
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Process{}, false
	}
	fields := statFields(stat)
	if len(fields) < 2 {
		return Process{}, false
	}
	ppid, err := strconv.Atoi(fields[1])
	if err != nil {
		return Process{}, false
	}
	cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return Process{}, false
	}
	var args []string
	if len(cmdline) > 0 {
		args = strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
	}
	return Process{PID: pid, PPID: ppid, Args: args}, true
}
