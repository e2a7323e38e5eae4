//go:build linux

package hosts

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/tartrl/tlaunch-go/internal/netns"
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

	made *netns.Net
}

// Up brings up n hosts, 1 to 200, and removes them when the test ends. It calls Fatal, with a remedy, where that is not possible.
func Up(t testing.TB, n int, opts ...Option) *Net {
	t.Helper()
	var cfg netns.Config
	for _, opt := range opts {
		opt(&cfg)
	}
	made, err := netns.Up(n, cfg)
	if err != nil {
		t.Fatalf("%v (make unit leaves out what needs hosts)", err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Errorf("hosts: %v", err)
		}
	})
	wrapped := &Net{KnownHosts: made.KnownHosts, Identity: made.Identity, Config: made.ClientConfig, Gateway: made.Gateway, made: made}
	for _, h := range made.Hosts {
		wrapped.Hosts = append(wrapped.Hosts, &Host{Name: h.Name, IP: h.IP, Home: h.Home, t: t, host: h})
	}
	return wrapped
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
	path := filepath.Join(t.TempDir(), "inventory")
	if err := os.WriteFile(path, []byte(n.made.Inventory()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
