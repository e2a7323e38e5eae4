package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/netns"
)

// bringUp brings hosts up in network namespaces.
func (f *field) bringUp(cfg config) error {
	n, err := netns.Up(cfg.hosts, netns.Config{Rate: cfg.rate, Rates: cfg.rates})
	if err != nil {
		return err
	}
	f.down = n.Close // also where what follows fails
	inv, err := tlaunch.ParseInventory("hosts", strings.NewReader(n.Inventory()))
	if err != nil {
		return err
	}
	f.where = fmt.Sprintf("%d hosts in network namespaces of this machine", cfg.hosts)
	if cfg.rate != "" {
		f.where += ", links of " + cfg.rate
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.rates)) {
		f.where += fmt.Sprintf(", %s of %s", name, cfg.rates[name])
	}
	for _, h := range n.Hosts {
		f.names = append(f.names, h.Name)
	}
	f.ssh, f.network, f.device = n.ClientConfig, fmt.Sprintf("%s/24", n.Gateway), "eth0"
	f.options = []tlaunch.Option{tlaunch.SSH(inv), tlaunch.WithSSH(tlaunch.SSHConfig{ConfigFile: n.ClientConfig})}
	return nil
}
