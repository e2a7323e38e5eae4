// Package reach is how the programs that we are compared with reach the hosts: by OpenSSH.
package reach

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// ClientConfig is an OpenSSH configuration that gives peers the hosts of an inventory by name. What it does not say is as in base, a file,
// or where that is empty as the user and the system have it.
func ClientConfig(inv *inventory.Inventory, base string) (string, error) {
	var b strings.Builder
	for _, h := range inv.Hosts {
		if h.Address == h.Name && h.User == "" && h.Port == 0 {
			continue
		}
		fmt.Fprintf(&b, "Host %s\n", h.Name)
		if h.Address != h.Name {
			fmt.Fprintf(&b, "  HostName %s\n", h.Address)
		}
		if h.User != "" {
			fmt.Fprintf(&b, "  User %s\n", h.User)
		}
		if h.Port != 0 {
			fmt.Fprintf(&b, "  Port %d\n", h.Port)
		}
	}
	b.WriteString("Host *\n")
	if base == "" {
		b.WriteString("  Include ~/.ssh/config /etc/ssh/ssh_config\n")
		return b.String(), nil
	}
	full, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "  Include %s\n", full)
	return b.String(), nil
}
