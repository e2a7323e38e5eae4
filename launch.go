package tlaunch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// planRun builds and checks the program for its hosts: what every launch
// begins with. It also returns the hosts' lines in the inventory, by name.
func planRun(d *program, config []byte, s *settings) (*Run, map[string]inventory.Host, error) {
	hosts, lines, err := s.hostList(d)
	if err != nil {
		return nil, nil, err
	}
	table := actor.NewTable()
	g, err := d.newGraph(config, hosts, table)
	if err != nil {
		return nil, nil, err
	}
	for _, folder := range g.folders {
		if info, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, usagef("the Files of a command: there is no %s here; a relative path counts from the folder where the program is started", folder)
		} else if err != nil {
			return nil, nil, usagef("the Files of a command: %v", err)
		} else if !info.IsDir() {
			return nil, nil, usagef("the Files of a command: %s is no folder", folder)
		}
	}
	r := newRun(d, g, hosts, table, s)
	if err := s.openLogs(r); err != nil {
		return nil, nil, err
	}
	return r, lines, nil
}

// openLogs makes the log files that were asked for, before anything is started.
func (s *settings) openLogs(r *Run) error {
	if s.logs == "" {
		return nil
	}
	var hosts []Host
	if s.kind != inProcess { // there they print nothing that is not this process's
		hosts = slices.DeleteFunc(r.graph.usedHosts(r.hosts), func(h Host) bool {
			return h.Name != hostOf(h.Name) // what a node's own process says is its node's
		})
	}
	files, err := openLogs(s.logs, r.id, r.graph, hosts, s.logger)
	if err != nil {
		return err
	}
	s.tap.fill(files)
	if s.opened != nil {
		return s.opened(r.id, files)
	}
	return nil
}

func launch(ctx context.Context, d *program, config []byte, s *settings) (*Run, error) {
	start := launchFleet
	if s.kind == inProcess {
		start = launchInProcess
	}
	r, err := start(ctx, d, config, s)
	if err == nil {
		err = r.engine.start()
	}
	if err != nil {
		s.tap.close()
		return nil, err
	}
	return r, nil
}
