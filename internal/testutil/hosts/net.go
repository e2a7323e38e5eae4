//go:build linux

package hosts

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// stateDir holds the folders of all nets, one each. It is not below /tmp, which every host has for itself,
	// nor below /run, which is often mounted noexec.
	stateDir = "/var/lib/tlaunch-hosts"
	maxHosts = 200
	gateway  = 254
)

// Net is a set of hosts on one bridge. Its fields are not changed after Up.
type Net struct {
	// Hosts holds host1 to hostN, in this order.
	Hosts []*Host
	// KnownHosts is the path of a known_hosts file with the key of each host, by name and by address.
	KnownHosts string
	// Identity is the path of a private key (ed25519, OpenSSH format, no passphrase) that every host accepts.
	Identity string
	// Config is the path of an OpenSSH client configuration by which `ssh -F CONFIG host1` logs in.
	Config string
	// Gateway is the address under which hosts reach the machine itself.
	Gateway net.IP

	t      testing.TB
	subnet subnet
	opts   options
	dir    string // below stateDir; holds one folder for each host
	client string // folder of KnownHosts, Identity and Config
}

// Up brings up n hosts, 1 to 200, and removes them when the test ends. It calls Fatal, with a remedy, where that is not possible.
func Up(t testing.TB, n int, opts ...Option) *Net {
	t.Helper()
	if n < 1 || n > maxHosts {
		t.Fatalf("hosts: %d hosts asked for; a net has 1 to %d", n, maxHosts)
	}
	o := options{user: "root", shell: "/bin/sh"}
	for _, opt := range opts {
		opt(&o)
	}
	if err := checkMachine(o); err != nil {
		t.Fatal(err)
	}
	sub, err := claim()
	if err != nil {
		t.Fatal(err)
	}
	made := &Net{t: t, subnet: sub, opts: o, dir: sub.dir(), client: t.TempDir(), Gateway: sub.ip(gateway)}
	t.Cleanup(made.down)
	for i := range n {
		made.Hosts = append(made.Hosts, newHost(made, i+1))
	}
	if err := made.up(); err != nil {
		t.Fatal(err)
	}
	return made
}

// Host returns the host of this name, and nil where there is none.
func (n *Net) Host(name string) *Host {
	for _, h := range n.Hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Inventory writes an inventory with all hosts, one line `hostI user@address` each, and returns its path.
func (n *Net) Inventory(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, h := range n.Hosts {
		fmt.Fprintf(&b, "%s %s@%s\n", h.Name, n.opts.user, h.IP)
	}
	path := filepath.Join(t.TempDir(), "inventory")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// up makes the links, then the hosts, all at once.
func (n *Net) up() error {
	// sshd insists on this folder, which a reboot removes and only the service's start makes again.
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		return err
	}
	if err := n.writeClient(); err != nil {
		return err
	}
	if err := n.link(); err != nil {
		return err
	}
	return each(n.Hosts, func(h *Host) error {
		if err := h.prepare(); err != nil {
			return err
		}
		if err := h.keep(); err != nil {
			return err
		}
		if err := h.limit(); err != nil {
			return err
		}
		return h.startSSHD()
	})
}

// link makes the bridge, and for each host a namespace and a cable to the bridge.
func (n *Net) link() error {
	br := n.subnet.bridge()
	lines := []string{
		"link add " + br + " type bridge",
		"addr add " + n.Gateway.String() + "/24 dev " + br,
		"link set " + br + " up",
	}
	for _, h := range n.Hosts {
		lines = append(lines,
			"netns add "+h.netns,
			"link add "+h.cable+" type veth peer name eth0 netns "+h.netns,
			"link set "+h.cable+" master "+br+" up",
		)
	}
	return ipBatch(lines)
}

// down removes the net; last the claim on the subnet, so that nobody takes it before it is clean.
func (n *Net) down() {
	if err := n.subnet.clean(); err != nil {
		n.t.Errorf("hosts: %v", err)
	}
	for _, h := range n.Hosts {
		h.reap()
	}
	n.subnet.release()
}

// checkMachine says what is missing to have hosts on this machine.
func checkMachine(o options) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("hosts: network namespaces need root: run the tests as root, or leave out -tags hosts (make unit)")
	}
	for _, name := range []string{"ip", "tc", "nft", "nsenter", "unshare", "/usr/sbin/sshd", o.shell} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("hosts: %w: run scripts/setup.sh, which installs it", err)
		}
	}
	return nil
}
