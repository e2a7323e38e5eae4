package tlaunch

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// prepareHere makes the site of the commands of a run in one process, whose
// hosts are all this machine.
func prepareHere(ctx context.Context, r *Run, s *settings) (*commandSite, error) {
	site := newCommandSite(r.id, r.graph)
	if len(r.graph.commands) == 0 {
		return site, nil
	}
	var err error
	if site.env, err = bootstrap.Environment(s.boot.Env); err != nil {
		return nil, usagef("%v", err)
	}
	if site.work, err = os.Getwd(); err != nil {
		return nil, err
	}
	site.files = func(p *commandPlace) string {
		if folder := r.graph.folders[p.files]; filepath.IsAbs(folder) {
			return folder
		}
		return filepath.Join(site.work, r.graph.folders[p.files])
	}
	site.output, site.limits = outputHere(s), s.limits
	used := r.graph.usedHosts(r.hosts)
	errs := make([]error, len(used))
	for i, h := range used {
		errs[i] = site.prepare(ctx, h, true, s.ports)
	}
	if err := launchError(r.program.name, len(used), errs); err != nil {
		site.close()
		return nil, err
	}
	ports := site.held()
	site.tell(r.graph.groupCommands(func(string) string { return "127.0.0.1" }, func(_, label string) int { return ports[label] }))
	return site, nil
}

// outputHere takes what commands of this process print: to where records go
// that come from hosts, if somebody has asked for these, else to the log of
// the node.
func outputHere(s *settings) func(context.Context, string, bootstrap.Stream) io.WriteCloser {
	var mu sync.Mutex // records of a host come one at a time
	return func(ctx context.Context, node string, stream bootstrap.Stream) io.WriteCloser {
		host := actor.HostOf(ctx)
		return bootstrap.NewLines(func(line string) {
			mu.Lock()
			defer mu.Unlock()
			s.hand(s.tap.number(Record{Host: host, Time: time.Now().UTC(), Stream: stream, Node: node, Text: line}))
			if s.records == nil && s.handler == nil {
				slog.InfoContext(ctx, line, "stream", stream.String())
			}
		})
	}
}
