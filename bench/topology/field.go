package topology

import (
	"fmt"

	"github.com/tartrl/tlaunch-go"
)

// field finds the hosts, or brings them up, and notes how many there are; down takes them down again.
func field(cfg *config) (where string, options []tlaunch.Option, down func() error, err error) {
	nothing := func() error { return nil }
	switch {
	case cfg.local:
		cfg.rate = ""
		return fmt.Sprintf("%d processes of this machine, over loopback", cfg.hosts), []tlaunch.Option{tlaunch.Processes(tlaunch.LocalInventory(cfg.hosts))}, nothing, nil
	case cfg.inventory != "":
		inv, err := tlaunch.ReadInventory(cfg.inventory)
		if err != nil {
			return "", nil, nil, err
		}
		cfg.hosts, cfg.rate = len(inv.Hosts), ""
		return fmt.Sprintf("%d hosts of %s", cfg.hosts, cfg.inventory),
			[]tlaunch.Option{tlaunch.SSH(inv), tlaunch.WithSSH(tlaunch.SSHConfig{ConfigFile: cfg.sshConfig})}, nothing, nil
	}
	return bringUp(*cfg)
}
