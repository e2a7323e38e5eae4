package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tartrl/tlaunch-go/internal/netns"
)

// bringUp brings hosts up in network namespaces, each with a clean home.
func (f *field) bringUp(cfg config) error {
	n, err := netns.Up(cfg.hosts, netns.Config{Rate: cfg.rate})
	if err != nil {
		return err
	}
	f.where = "in network namespaces of this machine"
	if cfg.rate != "" {
		f.where += ", links of " + cfg.rate
	}
	f.sshConfig, f.peersSSH = n.ClientConfig, n.ClientConfig
	f.network = fmt.Sprintf("%s/24", n.Gateway)
	f.inventory = filepath.Join(f.dir, "inventory")
	f.down = n.Close // also where what follows fails
	f.settle = func(ctx context.Context) error { return settle(ctx, n) }
	f.used = func() (time.Duration, error) { return usedBy(n) }
	return os.WriteFile(f.inventory, []byte(n.Inventory()), 0o600)
}

// settle waits until no contestant has left a process on a host.
func settle(ctx context.Context, n *netns.Net) error {
	const patience, pause = 10 * time.Second, 5 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("something still ran %v after the end", patience))
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for _, h := range n.Hosts {
		for {
			left, err := h.Processes()
			if err != nil {
				return err
			}
			if len(left) == 0 {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%s: %w: %v", h.Name, context.Cause(ctx), left)
			}
		}
	}
	return nil
}

func usedBy(n *netns.Net) (sum time.Duration, err error) {
	var errs []error
	for _, h := range n.Hosts {
		used, err := h.CPUTime()
		sum += used
		errs = append(errs, err)
	}
	return sum, errors.Join(errs...)
}
