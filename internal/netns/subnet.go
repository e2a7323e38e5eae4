//go:build linux

package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	lockDir     = "/run/tlaunch-hosts"
	firstSubnet = 1 // 10.77.0.0/24 is left to hands and scripts
	lastSubnet  = 249
)

// subnet is a claimed 10.77.X.0/24, and the names of what is made on it. The claim is an flock on a file, which the kernel lifts
// when the process that holds it ends in whatever way. The files stay: removing one would let two processes lock one name.
type subnet struct {
	x    int
	lock *os.File
}

func (s subnet) ip(i int) net.IP    { return net.IPv4(10, 77, byte(s.x), byte(i)) }
func (s subnet) bridge() string     { return "tlbr" + strconv.Itoa(s.x) }
func (s subnet) cable(i int) string { return fmt.Sprintf("tl%d.%d", s.x, i) }
func (s subnet) netns(i int) string { return fmt.Sprintf("tl%d-host%d", s.x, i) }
func (s subnet) dir() string        { return filepath.Join(stateDir, strconv.Itoa(s.x)) }

// claim takes the first subnet that nobody holds, and removes from every subnet that nobody holds what a killed process left there.
func claim() (subnet, error) {
	if err := os.MkdirAll(lockDir, 0o755); err != nil {
		return subnet{}, fmt.Errorf("netns: %w", err)
	}
	var mine subnet
	for x := firstSubnet; x <= lastSubnet; x++ {
		if mine.lock != nil && !wasUsed(x) {
			continue
		}
		s, err := tryLock(x)
		if err != nil {
			mine.release()
			return subnet{}, fmt.Errorf("netns: lock subnet %d: %w", x, err)
		}
		if s.lock == nil {
			continue
		}
		if err := s.clean(); err != nil {
			s.release()
			mine.release()
			return subnet{}, fmt.Errorf("netns: what an earlier process left cannot be removed: %w", err)
		}
		// Others leave 10.77.X alone as a rule; what is in use all the same is not ours to take.
		if foreign, err := s.foreign(); mine.lock != nil || foreign || err != nil {
			s.release()
			continue
		}
		mine = s
	}
	if mine.lock == nil {
		return subnet{}, fmt.Errorf("netns: 10.77.%d.0/24 to 10.77.%d.0/24 are all in use: wait for the other tests and benchmarks on this machine", firstSubnet, lastSubnet)
	}
	return mine, nil
}

// tryLock claims subnet x; the claim's lock is nil where somebody else holds it.
func tryLock(x int) (subnet, error) {
	// Opened with O_CLOEXEC, as by all of package os: no child carries the claim on.
	f, err := os.OpenFile(lockPath(x), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return subnet{}, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return subnet{}, f.Close()
	case err != nil:
		return subnet{}, errors.Join(err, f.Close())
	}
	return subnet{x: x, lock: f}, nil
}

// release gives up the claim. Nothing is done for a subnet that was never claimed.
func (s subnet) release() {
	if s.lock != nil {
		s.lock.Close()
	}
}

func lockPath(x int) string { return filepath.Join(lockDir, strconv.Itoa(x)+".lock") }

// wasUsed tells whether anybody has claimed subnet x since the machine started.
func wasUsed(x int) bool {
	_, err := os.Stat(lockPath(x))
	return err == nil
}

// foreign tells whether the machine has an address on the subnet, which, once it is clean, somebody else has put there.
func (s subnet) foreign() (bool, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false, err
	}
	_, own, err := net.ParseCIDR(s.ip(0).String() + "/24")
	if err != nil {
		return false, err
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && own.Contains(n.IP) {
			return true, nil
		}
	}
	return false, nil
}

// clean removes whatever there is on the subnet: processes first, because one of them may hold any of the rest.
func (s subnet) clean() error {
	namespaces, err := filepath.Glob("/run/netns/" + s.netnsGlob())
	if err != nil {
		return err
	}
	var problems []error
	for _, path := range namespaces {
		name := filepath.Base(path)
		problems = append(problems, kill(func() ([]Process, error) { return processesIn(name) }))
		problems = append(problems, run(exec.Command("ip", "netns", "delete", name)))
	}
	// A cable goes with its namespace, but not at once; one whose namespace was never made stays. Both go with the machine's end.
	links, err := filepath.Glob("/sys/class/net/" + s.cableGlob())
	problems = append(problems, err)
	for _, path := range append(links, "/sys/class/net/"+s.bridge()) {
		problems = append(problems, deleteLink(filepath.Base(path)))
	}
	problems = append(problems, os.RemoveAll(s.dir()))
	return errors.Join(problems...)
}

func (s subnet) netnsGlob() string { return fmt.Sprintf("tl%d-host*", s.x) }
func (s subnet) cableGlob() string { return fmt.Sprintf("tl%d.*", s.x) }
