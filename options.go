package tlaunch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
	"github.com/tartrl/tlaunch-go/cluster"
)

// An Inventory is a list of hosts; see [ReadInventory].
type Inventory = inventory.Inventory

// ReadInventory reads the inventory in a file; package bootstrap/inventory
// documents its lines. All lines at fault are reported, each with file and line.
func ReadInventory(path string) (*Inventory, error) { return inventory.Read(path) }

// ParseInventory reads an inventory from r; name stands for it in errors.
func ParseInventory(name string, r io.Reader) (*Inventory, error) { return inventory.Parse(name, r) }

// LocalInventory is n hosts on this machine, host1 to hostN; at least one.
func LocalInventory(n int) *Inventory { return inventory.Local(n) }

// SSHConfig says how hosts are reached; its zero value is the user's own
// OpenSSH set-up.
type SSHConfig = sshconn.Config

// ConsulConfig says which Consul holds a run; its zero value takes the
// standard CONSUL_* variables.
type ConsulConfig = cluster.ConsulConfig

// A Record is a line of output or a log record of a host's process.
type Record = bootstrap.Record

// A Progress is a step of a host that comes up.
type Progress = bootstrap.Event

// The stages of a [Progress] that this package adds to bootstrap's.
const (
	StageRegistered bootstrap.Stage = "registered" // the host's endpoint is open and registered
	StageRunning    bootstrap.Stage = "running"    // its nodes were told to start
)

// An Option changes how a program is launched.
type Option func(*settings)

type launchType uint8

const (
	inProcess launchType = iota
	processes
	overSSH
)

// DefaultNotice is how long nodes may take to end when nothing else was said.
const DefaultNotice = 10 * time.Second

type settings struct {
	err       error
	kind      launchType
	inventory *Inventory // nil: the program's LocalHosts
	ssh       SSHConfig
	consul    *ConsulConfig // nil: the embedded registry
	boot      bootstrap.Config
	notice    time.Duration
	encode    bool
	ports     portRange
	limits    Limits
	handler   slog.Handler
	records   []func(Record)
	logger    *slog.Logger
	progress  func(Progress)
	tap       *tap
	logs      string                                  // folder; empty: no log files
	opened    func(run string, files *logFiles) error // called when they are open
}

func newSettings(opts []Option) *settings {
	s := &settings{notice: DefaultNotice, logger: slog.New(slog.DiscardHandler), tap: newTap()}
	for _, o := range opts {
		o(s)
	}
	if s.kind == overSSH && s.inventory == nil && s.err == nil {
		s.err = usagef("launching over SSH needs an inventory: a file with a line `name [user@]address[:port]` for each host (-hosts FILE)")
	}
	return s
}

// InProcess runs all nodes in this process: the default. The hosts of inv are
// names to the program and nothing is reached; nil takes the program's [LocalHosts].
func InProcess(inv *Inventory) Option {
	return func(s *settings) { s.kind, s.inventory = inProcess, inv }
}

// Processes runs one process on this machine for each host of inv that has
// nodes; nil takes the program's [LocalHosts].
func Processes(inv *Inventory) Option {
	return func(s *settings) { s.kind, s.inventory = processes, inv }
}

// SSH runs one process on each host of inv that has nodes. It needs main to
// call [Init] or [Main] first thing.
func SSH(inv *Inventory) Option { return func(s *settings) { s.kind, s.inventory = overSSH, inv } }

// WithSSH sets how hosts are reached, in place of the user's OpenSSH set-up.
func WithSSH(cfg SSHConfig) Option { return func(s *settings) { s.ssh = cfg } }

// WithConsul keeps the run's members in Consul, where other services find
// them, in place of the registry that the launcher serves itself.
func WithConsul(cfg ConsulConfig) Option { return func(s *settings) { s.consul = &cfg } }

// Encoded makes a run in one process encode every message as a link would, and
// overwrite the bytes that a method was given and did not keep once it has
// returned (see [actor.Keep]), so that a test meets what would go wrong between
// hosts. It changes nothing in runs of several processes.
func Encoded() Option { return func(s *settings) { s.encode = true } }

// Notice sets how long nodes may take to end before they are killed: zero
// kills at once, a negative one never. The default is [DefaultNotice].
func Notice(d time.Duration) Option { return func(s *settings) { s.notice = d } }

// Lease sets how long a host goes on without hearing from the launcher.
// The default is [bootstrap.DefaultLease].
func Lease(d time.Duration) Option { return func(s *settings) { s.boot.Lease = d } }

// Direct sends the executable to each host from here. Otherwise hosts that have
// it pass it on where more than 8 lack it: over plain TCP on their [Ports], to
// hosts that got a token over SSH and check what they get by its SHA-256.
func Direct() Option { return func(s *settings) { s.boot.Direct = true } }

// Parallel sets how many hosts are brought up at once. The default is 64.
func Parallel(n int) Option { return func(s *settings) { s.boot.Parallel = n } }

// Ports bounds the ports on which hosts listen for each other: "20000-20100".
// The default is any that the host has free.
func Ports(span string) Option {
	return func(s *settings) {
		r, err := parsePorts(span)
		if err != nil && s.err == nil {
			s.err = err
		}
		s.ports = r
	}
}

// Env gives the hosts' processes a variable: "NAME=VALUE", or "NAME" to copy
// this process's. Nothing else of its environment reaches them.
func Env(variables ...string) Option {
	return func(s *settings) { s.boot.Env = append(s.boot.Env, variables...) }
}

// Ship brings folders into each host's work folder, under their last name.
func Ship(dirs ...string) Option {
	return func(s *settings) { s.boot.Ship = append(s.boot.Ship, dirs...) }
}

// Binary names the executable for hosts of a platform, such as "linux/arm64";
// an empty platform stands for all that have none of their own. The default is
// this process's executable.
func Binary(platform, path string) Option {
	return func(s *settings) {
		if s.boot.Binary == nil {
			s.boot.Binary = map[string]string{}
		}
		s.boot.Binary[platform] = path
	}
}

// LogTo sends what the hosts' processes print and log to h, with the
// attributes "host", "stream" ("log", "stdout", "stderr", "agent" or "gap") and, where
// it is known, "node". Nodes in this process log where the program says, apart
// from commands, whose lines go to h too.
func LogTo(h slog.Handler) Option { return func(s *settings) { s.handler = h } }

// OnRecord calls f with each line and log record of the hosts' processes, of any
// level, and with the lines of commands in a run in this process: for each host
// in order, for several at once. Given to [Main], f also gets what nodes in this
// process and the launcher log, and must not use the default logger, through
// which it would call itself. A slow f slows all of them down. Where it is given
// more than once, each f is called.
func OnRecord(f func(Record)) Option {
	return func(s *settings) { s.records = append(s.records, f) }
}

// Logs keeps what is said in the run in a folder, with times in UTC and the
// numbers of lines: a file for each node ("worker-0.log"), for what is no node's
// one for each host ("@host1.log"), and "@launcher.log". They are made before
// anything is started, for their user alone; files that are there are added to.
// They have records of every level. Of nodes in this process they have what goes
// through [Main]'s logger.
func Logs(dir string) Option { return func(s *settings) { s.logs = dir } }

// LogRate sets how many bytes of lines and log records each host may send in a
// second, and twice as many at once. What is more is dropped on the host, and a
// record of stream "gap" stands in its place. Zero is [bootstrap.DefaultLogRate];
// negative lets everything through, and nodes wait for a slow launcher.
func LogRate(bytesPerSecond int64) Option {
	return func(s *settings) { s.boot.LogRate = bytesPerSecond }
}

// hand gives a record to whoever has asked for them.
func (s *settings) hand(r Record) {
	s.tap.add(r)
	for _, f := range s.records {
		f(r)
	}
	ctx := context.Background()
	if h := s.handler; h != nil && h.Enabled(ctx, r.Level) {
		if err := h.Handle(ctx, r.SlogRecord()); err != nil {
			s.logger.Warn("a record was not taken", "host", r.Host, "error", err)
		}
	}
}

// OnProgress calls f, from several goroutines, as hosts come up. Where it is
// given more than once, each f is called; [Main] adds what it shows.
func OnProgress(f func(Progress)) Option {
	return func(s *settings) {
		switch earlier := s.progress; {
		case f == nil:
		case earlier == nil:
			s.progress = f
		default:
			s.progress = func(p Progress) {
				earlier(p)
				f(p)
			}
		}
	}
}

// Logger receives the run's own notes. The default discards them.
// So does nil. The last one that is given holds, and [Main] gives its own, so
// that there [OnRecord] is the way to these notes.
func Logger(l *slog.Logger) Option {
	return func(s *settings) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		s.logger = l
	}
}

// whenOpened calls f when the log files are open, before anything is started.
func whenOpened(f func(run string, files *logFiles) error) Option {
	return func(s *settings) { s.opened = f }
}

// through shares the tap with whoever logs for nodes in this process.
func through(t *tap) Option { return func(s *settings) { s.tap = t } }

// portRange bounds a listener's port; the zero value does not.
type portRange struct{ First, Last int }

func parsePorts(span string) (portRange, error) {
	first, last, ok := strings.Cut(span, "-")
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(last)
	if !ok || errA != nil || errB != nil || a < 1 || b > 65535 || a > b {
		return portRange{}, usagef("ports %q: write FIRST-LAST, such as 20000-20100", span)
	}
	return portRange{a, b}, nil
}

// hostList is the hosts that the program sees and the lines they come from.
func (s *settings) hostList(d *program) ([]Host, map[string]inventory.Host, error) {
	inv := s.inventory
	if inv == nil {
		inv = inventory.Local(d.localHosts)
	}
	if len(inv.Hosts) == 0 {
		return nil, nil, usagef("the inventory has no hosts")
	}
	lines := map[string]inventory.Host{}
	var hosts []Host
	for _, h := range inv.Hosts {
		if _, ok := lines[h.Name]; ok {
			return nil, nil, usagef("two hosts are called %q", h.Name)
		}
		lines[h.Name] = h
		hosts = append(hosts, Host{Name: h.Name, Groups: h.Groups, Slots: h.Slots, GPUs: h.GPUs, Labels: h.Labels})
	}
	return hosts, lines, nil
}

// newRunID names a run: the program, so that people recognise it, and 64
// random bits, so that no two runs meet.
func newRunID(program string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand does not fail
	return fmt.Sprintf("%s-%s", program, hex.EncodeToString(b[:]))
}
