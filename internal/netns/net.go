//go:build linux

package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	// ClientConfig is the path of an OpenSSH client configuration by which `ssh -F PATH host1` logs in.
	ClientConfig string
	// Gateway is the address under which hosts reach the machine itself.
	Gateway net.IP

	subnet subnet
	cfg    Config
	dir    string // below stateDir; holds one folder for each host
	client string // folder of KnownHosts, Identity and Config
}

// Up brings up n hosts, 1 to 200. They are there until [Net.Close]; of a process that ends without it, until the next Up of anyone.
// The error says what to do; nothing is left then.
func Up(n int, cfg Config) (*Net, error) {
	if n < 1 || n > maxHosts {
		return nil, fmt.Errorf("netns: %d hosts asked for; a net has 1 to %d", n, maxHosts)
	}
	cfg = cfg.withDefaults()
	if err := checkMachine(cfg); err != nil {
		return nil, err
	}
	sub, err := claim()
	if err != nil {
		return nil, err
	}
	made := &Net{subnet: sub, cfg: cfg, dir: sub.dir(), client: filepath.Join(sub.dir(), "client"), Gateway: sub.ip(gateway)}
	for i := range n {
		made.Hosts = append(made.Hosts, newHost(made, i+1))
	}
	if err := made.up(); err != nil {
		return nil, errors.Join(err, made.Close())
	}
	return made, nil
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

// Inventory is the text of an inventory with all hosts, one line `hostI user@address` each.
func (n *Net) Inventory() string {
	var b strings.Builder
	for _, h := range n.Hosts {
		fmt.Fprintf(&b, "%s %s@%s\n", h.Name, n.cfg.User, h.IP)
	}
	return b.String()
}

// up makes the links, then the hosts, all at once.
func (n *Net) up() error {
	// sshd insists on this folder, which a reboot removes and only the service's start makes again.
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(n.client, 0o755); err != nil {
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

// Close kills what runs on the hosts and removes them with all their files. It must be called once. The error names what could not be removed.
func (n *Net) Close() error {
	err := n.subnet.clean()
	for _, h := range n.Hosts {
		h.reap()
	}
	n.subnet.release() // last, so that nobody takes the subnet before it is clean
	return err
}

// checkMachine says what is missing to have hosts on this machine.
func checkMachine(cfg Config) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("netns: network namespaces need root: run this as root")
	}
	for _, name := range []string{"ip", "tc", "nft", "nsenter", "unshare", "/usr/sbin/sshd", cfg.Shell} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("netns: %w: run scripts/setup.sh, which installs it", err)
		}
	}
	return nil
}
