package tlaunch

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// Main is what a script's main ends with: it parses the command line, launches
// the program with the configuration that cfg then holds, prints what the
// nodes print, and exits.
//
// The script's own flags are registered with package flag before; Main adds
// those that -help lists. "-flagfile FILE" reads more of them from a file, one
// -name=value a line, '#' at the start of a comment. SIGINT, SIGTERM and SIGHUP
// stop the run, a second one kills it.
//
// Main exits with 0, [StatusFailed], [StatusUsage], [StatusLaunch], or 128 + n
// after signal n ([StatusInterrupted] after Ctrl-C).
//
// In a process that was started as a host of a run Main never gets so far: it
// calls [Init] first.
func Main[C any](d *Definition[C], cfg *C) {
	Init()
	os.Exit(mainStatus(d, cfg, os.Args[1:], os.Stdout, os.Stderr))
}

func mainStatus[C any](d *Definition[C], cfg *C, args []string, stdout, stderr io.Writer) int {
	f := &mainFlags{}
	if err := f.register(flag.CommandLine); err != nil {
		fmt.Fprintln(stderr, err)
		return StatusUsage
	}
	flag.CommandLine.Init(flag.CommandLine.Name(), flag.ContinueOnError)
	flag.CommandLine.SetOutput(stderr)
	if err := f.parse(flag.CommandLine, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return StatusUsage // package flag has said why
	}
	con := newMainConsole(stdout, f.level)
	slog.SetDefault(slog.New(&nodeHandler{con, nil})) // a script's log is Main's to set
	opts, err := f.options(con, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return ExitStatus(err)
	}

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := make(chan os.Signal, 1)
	launched := make(chan *Run, 1)
	go watchSignals(signals, first, launched, cancel, f.notice, stderr) // ends with the process

	r, err := d.Launch(ctx, *cfg, opts...)
	con.upDone()
	if err == nil {
		launched <- r
		err = r.Wait(context.Background())
	}
	select {
	case s := <-first:
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(stderr, err)
		}
		return 128 + int(s.(syscall.Signal))
	default:
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return ExitStatus(err)
}

// watchSignals ends the launch or the run at the first signal, and kills it at
// the second.
func watchSignals(signals <-chan os.Signal, first chan<- os.Signal, launched <-chan *Run, cancel func(), notice time.Duration, stderr io.Writer) {
	var r *Run
	count := 0
	for {
		select {
		case r = <-launched:
			launched = nil
			if count > 0 {
				go r.Stop(context.Background()) // the signal came while the launch was ending well
			}
		case s := <-signals:
			count++
			switch {
			case count == 1:
				first <- s
				fmt.Fprintf(stderr, "%v: stopping (notice %v; again to kill)\n", s, notice)
				cancel()
				if r != nil {
					go r.Stop(context.Background())
				}
			case r != nil:
				fmt.Fprintf(stderr, "%v: killing\n", s)
				r.Kill()
			default:
				os.Exit(128 + int(s.(syscall.Signal))) // the launch does not end: leave the hosts to their leases
			}
		}
	}
}

// mainFlags are the flags that Main adds.
type mainFlags struct {
	launch, hosts, registry, ports, flagfile, sshConfig string
	notice, lease                                       time.Duration
	parallel                                            int
	ship, env, binary                                   stringList
	insecure, encoded, quiet                            bool
	level                                               slog.Level
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
	own.DurationVar(&f.lease, "lease", 0, "how long hosts go on without hearing from this process (default 5s)")
	own.IntVar(&f.parallel, "parallel", 0, "how many hosts are brought up at once (default 64)")
	own.Var(&f.ship, "ship", "`folder` to bring into each host's work folder; may be repeated")
	own.Var(&f.env, "env", "variable `name[=value]` for the hosts' processes; may be repeated")
	own.Var(&f.binary, "binary", "executable for hosts of a platform, `os/arch=path`; may be repeated")
	own.BoolVar(&f.encoded, "encoded", false, "with -launch inproc: encode every message as a link would")
	own.BoolVar(&f.quiet, "quiet", false, "do not show how hosts come up")
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
	if err := fs.Parse(args); err != nil {
		return err
	}
	fail := func(format string, args ...any) error {
		err := usagef(format, args...)
		fmt.Fprintln(fs.Output(), err)
		return err
	}
	if fs.NArg() > 0 {
		return fail("unexpected argument %q: flags begin with -", fs.Arg(0))
	}
	if f.flagfile == "" {
		return nil
	}
	more, err := readFlagFile(f.flagfile)
	if err != nil {
		return fail("%v", err)
	}
	return fs.Parse(append(more, args...))
}

func readFlagFile(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("flag file: %w", err)
	}
	defer file.Close()
	var args []string
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] != '-' {
			return nil, fmt.Errorf("%s:%d: %q is no flag: write -name=value", path, n, line)
		}
		args = append(args, line)
	}
	return args, lines.Err()
}

func (f *mainFlags) options(con *mainConsole, stderr io.Writer) ([]Option, error) {
	var inv *Inventory
	if f.hosts != "" {
		var err error
		if inv, err = ReadInventory(f.hosts); err != nil {
			return nil, usagef("%v", err)
		}
	}
	opts := []Option{
		Notice(f.notice), Lease(f.lease), Parallel(f.parallel), Env(f.env...), Ship(f.ship...),
		OnRecord(con.record), WithSSH(SSHConfig{ConfigFile: f.sshConfig, InsecureIgnoreHostKey: f.insecure}),
		Logger(slog.New(con)),
	}
	switch f.launch {
	case "inproc":
		opts = append(opts, InProcess(inv))
	case "procs":
		opts = append(opts, Processes(inv))
	case "ssh":
		opts = append(opts, SSH(inv))
	default:
		return nil, usagef("-launch %s: choose inproc, procs or ssh", f.launch)
	}
	switch f.registry {
	case "embedded":
	case "consul":
		opts = append(opts, WithConsul(ConsulConfig{}))
	default:
		return nil, usagef("-registry %s: choose embedded or consul", f.registry)
	}
	if f.ports != "" {
		opts = append(opts, Ports(f.ports))
	}
	if f.encoded {
		opts = append(opts, Encoded())
	}
	for _, b := range f.binary {
		platform, path, ok := strings.Cut(b, "=")
		if !ok {
			return nil, usagef("-binary %s: write os/arch=path", b)
		}
		opts = append(opts, Binary(platform, path))
	}
	if f.launch != "inproc" && !f.quiet {
		con.up = newUpDisplay(stderr)
		opts = append(opts, OnProgress(con.up.event))
	}
	return opts, nil
}

// mainConsole prints what hosts and nodes say: records of hosts' processes,
// and what is logged in this one, in the same form.
type mainConsole struct {
	console *bootstrap.Console
	level   slog.Level
	attrs   []bootstrap.Attr
	prefix  string
	up      *upDisplay // while hosts come up
}

func newMainConsole(w io.Writer, level slog.Level) *mainConsole {
	return &mainConsole{console: bootstrap.NewConsole(w, bootstrap.ConsoleOptions{Color: isTerminal(w), Level: level}), level: level}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (c *mainConsole) record(r Record) {
	if c.up != nil {
		c.up.clear()
	}
	_ = c.console.Print(r) // a terminal that is gone ends the process by SIGHUP or SIGPIPE
}

func (c *mainConsole) upDone() {
	if c.up != nil {
		c.up.close()
	}
}

func (c *mainConsole) Enabled(_ context.Context, l slog.Level) bool { return l >= c.level }

func (c *mainConsole) Handle(ctx context.Context, r slog.Record) error {
	out := Record{Host: "launcher", Time: r.Time.UTC(), Stream: bootstrap.Log, Level: r.Level, Text: r.Message}
	if h := actor.HostOf(ctx); h != "" {
		out.Host = h
	}
	out.Attrs = append(out.Attrs, c.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == bootstrap.NodeKey && c.prefix == "" {
			out.Node = a.Value.String()
		} else {
			out.Attrs = appendAttr(out.Attrs, c.prefix, a)
		}
		return true
	})
	c.record(out)
	return nil
}

func appendAttr(to []bootstrap.Attr, prefix string, a slog.Attr) []bootstrap.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			to = appendAttr(to, prefix, g)
		}
		return to
	}
	return append(to, bootstrap.Attr{Key: prefix + a.Key, Value: v.String()})
}

func (c *mainConsole) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *c
	d.attrs = d.attrs[:len(d.attrs):len(d.attrs)]
	for _, a := range attrs {
		d.attrs = appendAttr(d.attrs, c.prefix, a)
	}
	return &d
}

func (c *mainConsole) WithGroup(name string) slog.Handler {
	d := *c
	d.prefix += name + "."
	return &d
}
