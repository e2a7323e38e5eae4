package bootstrap

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killBound is how long descendants are hunted for before those that resist are reported.
const killBound = 2 * time.Second

// held says how the worker and its children are kept from outliving the host's part in the run.
const held = "parent-death signal for the worker, subreaper for its descendants"

// holdsOrphans says whether all descendants are found, whatever they do.
const holdsOrphans = true

// becomeReaper makes orphans among the worker's descendants our children, so that none can hide by forking twice.
func becomeReaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// workerAttr puts the worker into a session of its own and lets it die with its agent.
func workerAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// process is a line of /proc/PID/stat.
type process struct {
	pid    int
	parent int
	zombie bool
}

// parseStat reads pid, state and parent; the name between them may hold anything, brackets and newlines included.
func parseStat(stat []byte) (process, bool) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return process{}, false
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 2 {
		return process{}, false
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(stat[:open])))
	parent, err2 := strconv.Atoi(string(fields[1]))
	if err != nil || err2 != nil {
		return process{}, false
	}
	return process{pid: pid, parent: parent, zombie: fields[0][0] == 'Z' || fields[0][0] == 'X'}, true
}

// descendants lists all processes below root, in no order.
func descendants(root int) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := make(map[int][]process)
	for _, e := range entries {
		if c := e.Name()[0]; c < '0' || c > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		if p, ok := parseStat(stat); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var all []process
	for todo := []int{root}; len(todo) > 0; {
		below := children[todo[0]]
		todo = todo[1:]
		all = append(all, below...)
		for _, p := range below {
			todo = append(todo, p.pid)
		}
	}
	return all
}

// killDescendants kills all of our descendants and waits for them, except that keep (zero: none) is waited for elsewhere.
// It looks again until nobody is left, because the dying may have forked. It returns how many resist.
func killDescendants(keep int) int {
	self := os.Getpid()
	deadline := time.Now().Add(killBound)
	for {
		left := 0
		for _, p := range descendants(self) {
			switch {
			case p.zombie && p.parent == self && p.pid != keep:
				_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
			case !p.zombie:
				left++
				_ = unix.Kill(p.pid, unix.SIGKILL)
			}
		}
		if left == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(2 * time.Millisecond) // the kernel tells nobody when somebody else's child is gone
	}
}

// reapOrphans collects children that ended, except the worker.
func reapOrphans(worker int) {
	self := os.Getpid()
	for _, p := range descendants(self) {
		if p.zombie && p.parent == self && p.pid != worker {
			_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
		}
	}
}
