//go:build linux

package netns

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// Cut unplugs the host's cable: packets in both directions are lost without notice, as with a dead switch. Processes go on.
func (h *Host) Cut() error { return run(exec.Command("ip", "link", "set", h.cable, "down")) }

// Heal plugs the cable in again.
func (h *Host) Heal() error { return run(exec.Command("ip", "link", "set", h.cable, "up")) }

// Drop discards, without notice, what this host and peer send each other from now on. All other paths go on.
func (h *Host) Drop(peer *Host) error { return h.drop(peer.IP, true) }

// Undrop ends Drop. It does nothing where none was in force; a Drop that was made the other way round, by peer, stays.
func (h *Host) Undrop(peer *Host) error { return h.drop(peer.IP, false) }

// DropGateway discards, without notice, what this host and the machine itself send each other.
func (h *Host) DropGateway() error { return h.drop(h.net.Gateway.String(), true) }

// UndropGateway ends DropGateway.
func (h *Host) UndropGateway() error { return h.drop(h.net.Gateway.String(), false) }

func (h *Host) drop(ip string, on bool) error {
	if on {
		h.dropped[ip] = true
	} else {
		delete(h.dropped, ip)
	}
	cmd := h.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(dropRules(slices.Sorted(maps.Keys(h.dropped))))
	return run(cmd)
}

// dropRules is the whole rule set of a host, which nft puts in place as one transaction.
func dropRules(ips []string) string {
	var b strings.Builder
	// The first line makes the second one valid when there is no table yet.
	b.WriteString("add table ip tlaunch\ndelete table ip tlaunch\ntable ip tlaunch {\n")
	for _, hook := range []struct{ name, field string }{{"input", "saddr"}, {"output", "daddr"}} {
		fmt.Fprintf(&b, "chain %s {\ntype filter hook %s priority 0; policy accept;\n", hook.name, hook.name)
		for _, ip := range ips {
			fmt.Fprintf(&b, "ip %s %s drop\n", hook.field, ip)
		}
		b.WriteString("}\n")
	}
	b.WriteString("}\n")
	return b.String()
}
