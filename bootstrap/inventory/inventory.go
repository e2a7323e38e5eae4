package inventory

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// MaxHosts is the greatest number of hosts in one inventory.
const MaxHosts = 65536

// GroupAll is the group that every host belongs to.
const GroupAll = "all"

// ErrEmpty is reported for an inventory without hosts.
var ErrEmpty = errors.New("inventory: no hosts")

// Host is one host of an inventory.
type Host struct {
	Name    string            // unique in its inventory
	User    string            // who logs in; empty: whoever the SSH configuration says
	Address string            // name or IP address without brackets and port; never empty
	Port    int               // 0: the port the SSH configuration says
	Data    string            // address by which other hosts reach it; empty: the address the launcher reached
	Slots   int               // how much work it takes, at least 1
	GPUs    int               // 0: none
	Groups  []string          // groups it belongs to in the order of the file, without "all"; shared, not to be modified
	Labels  map[string]string // other keys of its line, nil when there are none; shared, not to be modified
	File    string            // where it was first named; empty for hosts made by Local
	Line    int               // line in File, from 1; 0 for hosts made by Local
}

// String returns h as a line of an inventory, without its groups.
func (h Host) String() string {
	var b strings.Builder
	b.WriteString(h.Name)
	if addr := h.target(); addr != h.Name {
		b.WriteString(" " + addr)
	}
	if h.Data != "" {
		fmt.Fprintf(&b, " data=%s", bracket(h.Data))
	}
	if h.Slots != 1 {
		fmt.Fprintf(&b, " slots=%d", h.Slots)
	}
	if h.GPUs != 0 {
		fmt.Fprintf(&b, " gpus=%d", h.GPUs)
	}
	for _, k := range slices.Sorted(maps.Keys(h.Labels)) {
		fmt.Fprintf(&b, " %s=%s", k, h.Labels[k])
	}
	return b.String()
}

// target is h's [user@]address[:port].
func (h Host) target() string {
	s := bracket(h.Address)
	if h.Port != 0 {
		s = net.JoinHostPort(h.Address, strconv.Itoa(h.Port))
	}
	if h.User != "" {
		s = h.User + "@" + s
	}
	return s
}

func bracket(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

// sameDefinition reports whether two lines describe the same host, groups apart.
func (h Host) sameDefinition(o Host) bool {
	return h.String() == o.String()
}

// Inventory is a list of hosts in the order of its file. Its methods do not modify it, so goroutines may share it.
type Inventory struct {
	Hosts []Host
}

// Read parses the inventory in the file at path. Its errors are those of the file system and of [Parse].
func Read(path string) (*Inventory, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	defer f.Close()
	return Parse(path, f)
}

// Local returns an inventory of n hosts named host1 to hostN, all on 127.0.0.1, for launches on one machine. A number below 1 means 1, one above [MaxHosts] means MaxHosts.
func Local(n int) *Inventory {
	n = min(max(n, 1), MaxHosts)
	inv := &Inventory{Hosts: make([]Host, n)}
	for i := range inv.Hosts {
		inv.Hosts[i] = Host{Name: "host" + strconv.Itoa(i+1), Address: "127.0.0.1", Slots: 1}
	}
	return inv
}

// Lookup returns the host of that name, and whether there is one.
func (inv *Inventory) Lookup(name string) (Host, bool) {
	i := slices.IndexFunc(inv.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return Host{}, false
	}
	return inv.Hosts[i], true
}

// Group returns the hosts of a group in the order of the file; the group "all" has every host. A group that no host belongs to gives nil.
func (inv *Inventory) Group(name string) []Host {
	var hosts []Host
	for _, h := range inv.Hosts {
		if name == GroupAll || slices.Contains(h.Groups, name) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// isIPv6 reports whether s is an IPv6 address, with or without a zone.
func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}
