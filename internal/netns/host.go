//go:build linux

package netns

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// uid of the plain account that User adds.
const plainUID = 4242

// Host is one host of a net.
type Host struct {
	// Name is hostI, and is the host's own host name too.
	Name string
	// IP is the address of the host on the bridge.
	IP string
	// Home is the home folder of the account that the inventory names, by the same path inside and outside the host.
	Home string

	net     *Net
	dir     string // all of the host's own files
	netns   string // name of the network namespace
	cable   string // the machine's end of the host's cable
	keeper  *exec.Cmd
	release io.Closer // the keeper ends when it is closed
	sshd    *sshd     // nil while stopped
	dropped map[string]bool
}

func newHost(n *Net, i int) *Host {
	h := &Host{
		Name:    "host" + strconv.Itoa(i),
		IP:      n.subnet.ip(i).String(),
		net:     n,
		netns:   n.subnet.netns(i),
		cable:   n.subnet.cable(i),
		dropped: make(map[string]bool),
	}
	h.dir = filepath.Join(n.dir, h.Name)
	h.Home = h.homeOf(n.cfg.User)
	return h
}

func (h *Host) homeOf(user string) string { return filepath.Join(h.dir, "home", user) }

// Command is a command that runs on the host when it is started: as root, in its home folder, with this
// process's environment but for HOME. Killing the process kills the command.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{
		"--target", strconv.Itoa(h.keeper.Process.Pid), "--net", "--mount", "--uts", "--wdns=" + h.homeOf("root"), "--", name,
	}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+h.homeOf("root"))
	return cmd
}

// keep starts the keeper: a process that makes the host's own mounts and host name and holds its namespaces for as long as this
// process lives. It is cat, reading a pipe which only this process writes, so it ends with it even if that is killed.
func (h *Host) keep() error {
	const script = `set -e
hostname "$1"
ip link set lo up
mount --make-rprivate /
for f in passwd group hosts hostname; do [ ! -e "/etc/$f" ] || mount --bind "$2/etc/$f" "/etc/$f"; done
mount --bind "$2/tmp" /tmp
mount --bind "$2/vartmp" /var/tmp
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=700 tmpfs /root
# Hide the folders of all other hosts, and keep this host's own where it was.
mount --bind "$2" /mnt
mount -t tmpfs -o mode=755 tmpfs "$3"
mkdir -p "$2"
mount --move /mnt "$2"
ip addr add "$4/24" dev eth0
ip link set eth0 up
echo up
exec cat`
	cmd := exec.Command("ip", "netns", "exec", h.netns, "unshare", "--uts", "--",
		"sh", "-c", script, "keeper", h.Name, h.dir, stateDir, h.IP)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("netns: start the keeper of %s: %w", h.Name, err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "up\n" {
		stdin.Close()
		return fmt.Errorf("netns: %s did not come up: %w", h.Name, errors.Join(cmd.Wait(), errors.New(stderr.String())))
	}
	h.keeper, h.release = cmd, stdin
	return nil
}

// limit puts the host's rate on both ends of the cable. No host is up yet while it runs, so nothing overtakes it.
func (h *Host) limit() error {
	rate, own := h.net.cfg.Rates[h.Name]
	if !own {
		rate = h.net.cfg.Rate
	}
	if rate == "" {
		return nil
	}
	tbf := []string{"root", "handle", "1:", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms"}
	out := h.Command("tc", append([]string{"qdisc", "add", "dev", "eth0"}, tbf...)...)
	in := exec.Command("tc", append([]string{"qdisc", "add", "dev", h.cable}, tbf...)...)
	return errors.Join(run(out), run(in))
}

// reap waits for the processes that this process itself started here, once the subnet is clean and they were killed.
func (h *Host) reap() {
	if h.sshd != nil {
		<-h.sshd.done
		h.sshd = nil
	}
	if h.keeper != nil {
		h.release.Close()
		_ = h.keeper.Wait() // it was killed, so its status says nothing
		h.keeper = nil
	}
}
