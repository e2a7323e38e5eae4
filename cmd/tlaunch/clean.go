package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

const cleanUsage = `tlaunch clean [-hosts FILE] [-kill]

Lists the processes and work folders that runs have left on hosts, and with -kill ends them. Runs that go on are never touched,
nor is what belongs to other users. Exits with 0 when nothing of yours is left, 1 when something is, 3 when a host was not reached.

`

// cleaning is what clean was asked for.
type cleaning struct {
	hosts    string
	kill     bool
	run      string
	timeout  time.Duration
	config   string
	insecure bool
	parallel int
	binary   binaries
}

// binaries are executables by platform.
type binaries map[string]string

func (b binaries) String() string { return "" }

func (b binaries) Set(s string) error {
	platform, path, ok := strings.Cut(s, "=")
	if !ok || platform == "" || path == "" {
		return errors.New("want os/arch=path")
	}
	b[platform] = path
	return nil
}

func cleanCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := cleaning{binary: binaries{}}
	fs := flag.NewFlagSet("clean", flag.ContinueOnError)
	fs.StringVar(&c.hosts, "hosts", "", "inventory `file`: a line \"name [user@]address[:port]\" for each host (default this machine alone)")
	fs.BoolVar(&c.kill, "kill", false, "end what is found: SIGTERM, SIGKILL 3s later, and remove the folders")
	fs.StringVar(&c.run, "run", "", "look only for what the run with this `id` has left")
	fs.StringVar(&c.config, "ssh-config", "", "OpenSSH configuration `file` to use in place of the user's and the system's")
	fs.BoolVar(&c.insecure, "insecure-ignore-host-key", false, "accept any SSH host key: whoever is on the way can read and change everything")
	fs.IntVar(&c.parallel, "parallel", 0, "how many hosts are reached at once (default 64)")
	fs.DurationVar(&c.timeout, "timeout", time.Minute, "how long a host may take")
	fs.Var(c.binary, "binary", "tlaunch for hosts of another platform, `os/arch=path`; may be repeated")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), cleanUsage)
		fs.PrintDefaults()
	}
	if status, ok := parse(fs, args, stdout, stderr); !ok {
		return status
	}
	list, launcher, err := c.prepare()
	if err != nil {
		fmt.Fprintln(stderr, "tlaunch clean:", err)
		return statusUsage
	}
	results := c.clean(ctx, launcher, list)
	if err := launcher.Close(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(stderr, "tlaunch clean: closing connections:", err)
	}
	for _, r := range results {
		if r.err != nil {
			fmt.Fprintln(stderr, "tlaunch clean:", r.err)
		}
	}
	if err := writeTable(stdout, results, c.kill); err != nil {
		fmt.Fprintln(stderr, "tlaunch clean:", err)
	}
	return statusOf(results)
}

// prepare reads the inventory and the SSH set-up.
func (c *cleaning) prepare() ([]inventory.Host, *bootstrap.Launcher, error) {
	cfg := bootstrap.Config{Parallel: c.parallel, Binary: c.binary}
	list := inventory.Local(1).Hosts
	if c.timeout <= 0 {
		return nil, nil, errors.New("-timeout must be positive")
	}
	if c.hosts == "" && (c.config != "" || c.insecure) {
		return nil, nil, errors.New("-ssh-config and -insecure-ignore-host-key say how hosts are reached; give them with -hosts")
	}
	if c.hosts == "" {
		list[0].Name = "localhost"
	} else {
		file, err := os.Open(c.hosts)
		if err != nil {
			return nil, nil, err
		}
		defer file.Close()
		inv, err := inventory.Parse(c.hosts, file)
		if err != nil {
			return nil, nil, err
		}
		list = inv.Hosts
		cfg.SSH = &sshconn.Config{ConfigFile: c.config, InsecureIgnoreHostKey: c.insecure}
	}
	launcher, err := bootstrap.NewLauncher(cfg)
	return list, launcher, err
}

// clean asks all hosts at once.
func (c *cleaning) clean(ctx context.Context, launcher *bootstrap.Launcher, list []inventory.Host) []result {
	results := make([]result, len(list))
	var all sync.WaitGroup
	for i, h := range list {
		all.Go(func() {
			late := fmt.Errorf("host %s: no answer within %v; give it longer with -timeout", h.Name, c.timeout)
			ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, late)
			defer cancel()
			results[i].host = h.Name
			results[i].Leftovers, results[i].err = launcher.Clean(ctx, h, bootstrap.CleanOptions{End: c.kill, Run: c.run})
		})
	}
	all.Wait()
	return results
}
