package topology

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/netns"
)

// bringUp brings hosts up in network namespaces.
func bringUp(cfg config) (where string, options []tlaunch.Option, down func() error, err error) {
	n, err := netns.Up(cfg.hosts, netns.Config{Rate: cfg.rate})
	if err != nil {
		return "", nil, nil, err
	}
	inv, err := tlaunch.ParseInventory("hosts", strings.NewReader(n.Inventory()))
	if err != nil {
		return "", nil, nil, errors.Join(err, n.Close())
	}
	where = fmt.Sprintf("%d hosts in network namespaces of this machine", cfg.hosts)
	if cfg.rate != "" {
		where += ", links of " + cfg.rate
	}
	return where, []tlaunch.Option{tlaunch.SSH(inv), tlaunch.WithSSH(tlaunch.SSHConfig{ConfigFile: n.ClientConfig})}, n.Close, nil
}
