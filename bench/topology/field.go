package topology

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/reach"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// A field is the hosts on which is measured.
type field struct {
	where   string // for people
	options []tlaunch.Option
	down    func() error
	dir     string // of our own files

	// For peers.
	names   []string // of the hosts; none: processes of this machine
	ssh     string   // OpenSSH configuration by which they are reached
	network string   // that they and the launcher share, as CIDR; empty: unknown
	device  string   // network device of each; empty: unknown
}

// openField finds the hosts, or brings them up, and notes in cfg how many there are.
func openField(cfg *config) (_ *field, err error) {
	f := &field{down: func() error { return nil }}
	if f.dir, err = os.MkdirTemp("", "tlaunch-bench-"); err != nil {
		return nil, err
	}
	switch {
	case cfg.local:
		cfg.rate = ""
		f.where = fmt.Sprintf("%d processes of this machine, over loopback", cfg.hosts)
		f.options = []tlaunch.Option{tlaunch.Processes(tlaunch.LocalInventory(cfg.hosts))}
	case cfg.inventory != "":
		err = f.listed(cfg)
	default:
		err = f.bringUp(*cfg)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// close removes what was made.
func (f *field) close() error { return errors.Join(f.down(), os.RemoveAll(f.dir)) }

// listed takes the hosts of an inventory.
func (f *field) listed(cfg *config) error {
	inv, err := tlaunch.ReadInventory(cfg.inventory)
	if err != nil {
		return err
	}
	hosts, err := inventory.Read(cfg.inventory)
	if err != nil {
		return err
	}
	for _, h := range hosts.Hosts {
		f.names = append(f.names, h.Name)
	}
	text, err := reach.ClientConfig(hosts, cfg.sshConfig)
	if err != nil {
		return err
	}
	f.ssh = filepath.Join(f.dir, "ssh_config")
	cfg.hosts, cfg.rate = len(inv.Hosts), ""
	f.where = fmt.Sprintf("%d hosts of %s", cfg.hosts, cfg.inventory)
	f.options = []tlaunch.Option{tlaunch.SSH(inv), tlaunch.WithSSH(tlaunch.SSHConfig{ConfigFile: cfg.sshConfig})}
	return os.WriteFile(f.ssh, []byte(text), 0o600)
}
