//go:build linux

package hosts

import (
	"os/exec"
	"testing"

	"github.com/tartrl/tlaunch-go/internal/netns"
)

// Host is one host of a net.
type Host struct {
	// Name is hostI, and is the host's own host name too.
	Name string
	// IP is the address of the host on the bridge.
	IP string
	// Home is the home folder of the account that the inventory names, by the same path inside and outside the host.
	Home string

	t    testing.TB
	host *netns.Host
}

// Process is a process on a host.
type Process = netns.Process

// Command is a command that runs on the host when it is started: as root, in its home folder, with the environment of the
// test but for HOME. Killing the process kills the command.
func (h *Host) Command(name string, args ...string) *exec.Cmd { return h.host.Command(name, args...) }

// Processes returns the processes on the host, by PID, in any PID namespace. The package's own two, the listening sshd and the keeper of
// the namespaces, are left out, and so are zombies: a host on which nothing was started or logged in has none.
func (h *Host) Processes() []Process {
	h.t.Helper()
	all, err := h.host.Processes()
	h.must(err)
	return all
}

// KillAll kills, with SIGKILL and until none is left, what Processes returns, sessions of sshd included. The host stays up.
func (h *Host) KillAll() {
	h.t.Helper()
	h.must(h.host.KillAll())
}

// StartSSHD starts the host's sshd again after StopSSHD, and returns when it listens. It does nothing while one runs.
func (h *Host) StartSSHD() {
	h.t.Helper()
	h.must(h.host.StartSSHD())
}

// StopSSHD ends the host's sshd: new connections are refused, sessions that are open go on, as when the service of a
// real host is stopped. KillAll ends the sessions too.
func (h *Host) StopSSHD() { h.host.StopSSHD() }

// SSHDLog is what the host's sshd has logged so far.
func (h *Host) SSHDLog() string {
	h.t.Helper()
	text, err := h.host.SSHDLog()
	h.must(err)
	return text
}

func (h *Host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}
