package child

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/internal/environ"
)

// headAttr gives the head a group of its own and lets it die with the thread that starts it.
func headAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitEnd waits until the head has ended, and leaves it to be reaped: as long as it is not, its number is nobody else's.
func awaitEnd(head *exec.Cmd) {
	for {
		if err := unix.Waitid(unix.P_PID, head.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// familyBound is how long a family is hunted for before it is given up.
const familyBound = 2 * time.Second

// endFamily kills the group of a head and whoever carries the marks. It looks again until nobody is left, because
// the dying may have forked.
func endFamily(pid int, marks []string) {
	_ = unix.Kill(-pid, unix.SIGKILL) // nobody may be left
	if len(marks) == 0 || !procIsOurs() {
		return
	}
	deadline := time.Now().Add(familyBound)
	for {
		found := marked(marks)
		if len(found) == 0 || time.Now().After(deadline) {
			return
		}
		for _, p := range found {
			_ = unix.Kill(p, unix.SIGKILL) // it may have ended
		}
		time.Sleep(2 * time.Millisecond) // the kernel tells nobody when somebody else's child is gone
	}
}

// procIsOurs reports whether the numbers in /proc are those by which this process may kill: it may show another
// namespace's.
func procIsOurs() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

// marked lists the living processes whose environment has all the marks, apart from this one.
func marked(marks []string) (found []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if hasAll(environ.Of(pid), marks) { // zombies have none
			found = append(found, pid)
		}
	}
	return found
}

func hasAll(env []byte, marks []string) bool {
	env = append([]byte{0}, env...)
	for _, m := range marks {
		if !bytes.Contains(env, append(append([]byte{0}, m...), 0)) {
			return false
		}
	}
	return true
}
