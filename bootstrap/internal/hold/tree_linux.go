package hold

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// KillBound is how long descendants are hunted for before those that resist are reported.
const KillBound = 2 * time.Second

// Process is a line of /proc/PID/stat.
type Process struct {
	PID    int
	Parent int
	Zombie bool
}

// ParseStat reads pid, state and parent; the name between them may hold anything, brackets and newlines included.
func ParseStat(stat []byte) (Process, bool) {
	line := string(stat)
	open, end := 0, len(line)-1
	for open < len(line) && line[open] != '(' {
		open++
	}
	for end >= 0 && line[end] != ')' {
		end--
	}
	if open == 0 || end < open {
		return Process{}, false
	}
	state, rest := word(line[end+1:])
	parent, _ := word(rest)
	own, _ := word(line[:open])
	if parent == "" {
		return Process{}, false
	}
	pid, err := strconv.Atoi(own)
	ppid, err2 := strconv.Atoi(parent)
	if err != nil || err2 != nil {
		return Process{}, false
	}
	return Process{PID: pid, Parent: ppid, Zombie: state[0] == 'Z' || state[0] == 'X'}, true
}

// Descendants lists all processes below root, in no order.
func Descendants(root int) []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := make(map[int][]Process)
	for _, e := range entries {
		if c := e.Name()[0]; c < '0' || c > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		if p, ok := ParseStat(stat); ok {
			children[p.Parent] = append(children[p.Parent], p)
		}
	}
	var all []Process
	for todo := []int{root}; len(todo) > 0; {
		below := children[todo[0]]
		todo = todo[1:]
		all = append(all, below...)
		for _, p := range below {
			todo = append(todo, p.PID)
		}
	}
	return all
}

// KillDescendants kills all of our descendants and waits for them, except that keep (zero: none) is waited for elsewhere.
// It looks again until nobody is left, because the dying may have forked. It returns how many resist.
func KillDescendants(keep int) int {
	self := os.Getpid()
	deadline := time.Now().Add(KillBound)
	for {
		left := 0
		for _, p := range Descendants(self) {
			switch {
			case p.Zombie && p.Parent == self && p.PID != keep:
				// One whose first thread has ended looks like a zombie while its others run, and is not to be had by waiting.
				if gone, err := syscall.Wait4(p.PID, nil, syscall.WNOHANG, nil); gone == 0 && err == nil {
					left++
					_ = syscall.Kill(p.PID, syscall.SIGKILL)
				}
			case !p.Zombie:
				left++
				_ = syscall.Kill(p.PID, syscall.SIGKILL)
			}
		}
		if left == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(2 * time.Millisecond) // the kernel tells nobody when somebody else's child is gone
	}
}

// ReapOrphans collects our children that ended, except keep.
func ReapOrphans(keep int) {
	self := os.Getpid()
	for _, p := range Descendants(self) {
		if p.Zombie && p.Parent == self && p.PID != keep {
			_, _ = syscall.Wait4(p.PID, nil, syscall.WNOHANG, nil)
		}
	}
}

// BecomeReaper makes orphans among our descendants our children, so that none can hide by forking twice.
func BecomeReaper() error {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return errno
	}
	return nil
}
