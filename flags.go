package tlaunch

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/internal/flagtext"
)

// mainFlags are the flags that Main adds.
type mainFlags struct {
	launch, hosts, registry, ports, flagfile, sshConfig string
	logs, terminal                                      string
	notice, lease                                       time.Duration
	parallel                                            int
	logRate                                             int64
	ship, env, binary                                   stringList
	insecure, encoded, quiet, summary, check, direct    bool
	level                                               slog.Level
	limits                                              Limits

	tmux *tmux // nil but for -terminal tmux
}

type stringList []string

func (l *stringList) String() string     { return strings.Join(*l, ",") }
func (l *stringList) Set(s string) error { *l = append(*l, s); return nil }

func (f *mainFlags) register(fs *flag.FlagSet) (err error) {
	own := flag.NewFlagSet("", flag.ContinueOnError)
	own.StringVar(&f.launch, "launch", "inproc", "where nodes run: `inproc` (this process), procs (a local process for each host) or ssh")
	own.StringVar(&f.hosts, "hosts", "", "inventory `file`: a line \"name [user@]address[:port] key=value…\" for each host")
	own.StringVar(&f.registry, "registry", "embedded", "where members are kept: `embedded` (in this process) or consul (CONSUL_* variables say where it is)")
	own.StringVar(&f.ports, "ports", "", "`first-last` port on which hosts listen for each other (default any free one)")
	own.StringVar(&f.sshConfig, "ssh-config", "", "OpenSSH configuration `file` to use in place of the user's and the system's")
	own.BoolVar(&f.insecure, "insecure-ignore-host-key", false, "accept any SSH host key: whoever is on the way can read and change everything")
	own.DurationVar(&f.notice, "notice", DefaultNotice, "how long nodes may take to end; 0 kills at once, a negative one never")
	own.Var(&f.limits, "limit", "`limits` of each host's process, such as files=4096,procs=2,memory=2GiB,core; may be repeated")
	own.DurationVar(&f.lease, "lease", 0, "how long hosts go on without hearing from this process (default 5s)")
	own.IntVar(&f.parallel, "parallel", 0, "how many hosts are brought up at once (default 64)")
	own.Var(&f.ship, "ship", "`folder` to bring into each host's work folder; may be repeated")
	own.Var(&f.env, "env", "variable `name[=value]` for the hosts' processes; may be repeated")
	own.Var(&f.binary, "binary", "executable for hosts of a platform, `os/arch=path`; may be repeated")
	own.BoolVar(&f.direct, "direct", false, "send the executable to each host from here; otherwise hosts pass it on where more than 8 lack it")
	own.BoolVar(&f.encoded, "encoded", false, "with -launch inproc: encode every message as a link would")
	own.BoolVar(&f.check, "check", false, "start no nodes: check the hosts and whether they reach each other, and print a table")
	own.BoolVar(&f.quiet, "quiet", false, "do not show how hosts come up")
	own.Int64Var(&f.logRate, "log-rate", 0, "`bytes` of output that each host may send in a second; more is dropped there, and the gap shown; negative: all (default 8388608)")
	own.StringVar(&f.logs, "logs", "", "`folder` in which what is said is kept: a file for each node, and one for each host")
	own.StringVar(&f.terminal, "terminal", "lines", "how it is shown what is said: `lines` here, or tmux: a session with a window for each node, which follows its log file")
	own.BoolVar(&f.summary, "summary", false, "print what has become of each node also after a run that ended well")
	own.TextVar(&f.level, "log-level", slog.LevelInfo, "least `level` of log records shown: DEBUG, INFO, WARN, ERROR")
	own.StringVar(&f.flagfile, "flagfile", "", "`file` with more flags, one -name=value a line")
	own.VisitAll(func(fl *flag.Flag) {
		if fs.Lookup(fl.Name) != nil {
			err = usagef("the program's flag -%s is also one of tlaunch's: give it another name", fl.Name)
			return
		}
		fs.Var(fl.Value, fl.Name, fl.Usage)
	})
	return err
}

// parse reads the command line, then the flag file, whose flags the command
// line overrules.
func (f *mainFlags) parse(fs *flag.FlagSet, args []string) error {
	fail := func(format string, args ...any) error {
		err := usagef(format, args...)
		fmt.Fprintln(fs.Output(), err)
		return err
	}
	switch err := flagtext.Parse(fs, args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fail("%v", err)
	}
	if fs.NArg() > 0 {
		return fail("unexpected argument %q: flags begin with -", fs.Arg(0))
	}
	if f.flagfile == "" {
		return nil
	}
	if err := setFromFile(fs, f.flagfile); err != nil {
		return fail("%v", err)
	}
	return nil
}

// setFromFile sets the flags in a file, apart from those that are set: parsing
// the command line again after the file would add what may be repeated twice.
func setFromFile(fs *flag.FlagSet, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("-flagfile: %w", err)
	}
	defer file.Close()
	given := map[string]bool{}
	fs.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] != '-' {
			return fmt.Errorf("%s:%d: %q is no flag: write -name=value", path, n, line)
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line[1:], "-"), "=")
		fl := fs.Lookup(name)
		if fl == nil {
			return fmt.Errorf("%s:%d: flag provided but not defined: -%s%s; write -name=value, and -help lists the names", path, n, name, flagtext.Suggest(fs, line))
		}
		if b, is := fl.Value.(interface{ IsBoolFlag() bool }); !ok && is && b.IsBoolFlag() {
			value, ok = "true", true
		}
		if !ok {
			return fmt.Errorf("%s:%d: flag -%s needs a value: write -name=value", path, n, name)
		}
		if given[name] {
			continue
		}
		if err := fs.Set(name, value); err != nil {
			return fmt.Errorf("%s:%d: invalid value %q for flag -%s: %w", path, n, value, name, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("-flagfile %s: %w", path, err)
	}
	return nil
}

// options are what the flags ask for, and the display of hosts that come up,
// nil where there is none.
func (f *mainFlags) options(con *mainConsole, stderr io.Writer) ([]Option, *upDisplay, error) {
	var inv *Inventory
	if f.hosts != "" {
		var err error
		if inv, err = ReadInventory(f.hosts); err != nil {
			return nil, nil, usagef("-hosts: %v", err)
		}
	}
	if f.sshConfig != "" {
		if _, err := os.Stat(f.sshConfig); err != nil {
			return nil, nil, usagef("-ssh-config: %v", err)
		}
	}
	opts := []Option{
		Notice(f.notice), Lease(f.lease), Parallel(f.parallel), LogRate(f.logRate), Logs(f.logs), Env(f.env...), Ship(f.ship...),
		OnRecord(con.record), WithSSH(SSHConfig{ConfigFile: f.sshConfig, InsecureIgnoreHostKey: f.insecure}),
		Logger(slog.New(con)), through(con.tap),
	}
	if f.direct {
		opts = append(opts, Direct())
	}
	switch f.launch {
	case "inproc":
		opts = append(opts, InProcess(inv))
	case "procs":
		opts = append(opts, Processes(inv))
	case "ssh":
		opts = append(opts, SSH(inv))
	default:
		return nil, nil, usagef("-launch %s: choose inproc, procs or ssh", f.launch)
	}
	switch f.registry {
	case "embedded":
	case "consul":
		opts = append(opts, WithConsul(ConsulConfig{}))
	default:
		return nil, nil, usagef("-registry %s: choose embedded or consul", f.registry)
	}
	if f.ports != "" {
		opts = append(opts, Ports(f.ports))
	}
	opts = append(opts, ProcessLimits(f.limits))
	if f.encoded {
		opts = append(opts, Encoded())
	}
	for _, b := range f.binary {
		platform, path, ok := strings.Cut(b, "=")
		if !ok {
			return nil, nil, usagef("-binary %s: write os/arch=path", b)
		}
		opts = append(opts, Binary(platform, path))
	}
	switch {
	case f.terminal == "tmux" && !f.check:
		t, err := newTmux(f.logs)
		if err != nil {
			return nil, nil, err
		}
		f.tmux, con.only = t, launcherName
		opts = append(opts, Logs(t.logs), whenOpened(func(run string, files *logFiles) error {
			err := t.open(run, files)
			if err == nil {
				fmt.Fprintf(stderr, "to look at it: %s\n", t.howTo())
			}
			return err
		}))
	case f.terminal != "lines" && f.terminal != "tmux":
		return nil, nil, usagef("-terminal %s: choose lines or tmux", f.terminal)
	}
	if f.launch != "inproc" && !f.quiet && (!f.check || isTerminal(stderr)) { // a table follows
		up := newUpDisplay(stderr)
		return append(opts, OnProgress(up.event)), up, nil
	}
	return opts, nil, nil
}

// turnstile is a writer behind which the real one can be changed.
type turnstile struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *turnstile) through(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w = w
}

func (t *turnstile) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(b)
}
