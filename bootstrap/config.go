package bootstrap

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// Config says how processes are started. Its zero value starts local processes.
type Config struct {
	// Run is the id of the run; any text.
	Run string

	// Lease is how long a process goes on without hearing from this launcher. Zero is [DefaultLease];
	// less than 100 ms is an error.
	Lease time.Duration

	// Direct sends the executable from here to each host that lacks it. Otherwise hosts that have it pass it on where more than 8 lack it: over plain
	// TCP at the address by which other hosts reach them, to hosts that were given a token, which check what they get by its SHA-256.
	Direct bool

	// Ports bounds the ports at which hosts pass the executable on; zero is any.
	Ports Ports

	// Parallel is how many hosts are started at once. Zero is 64; negative is an error.
	Parallel int

	// HelloTimeout is how long a started process may take to reach [Enter]. Zero is 10 s; negative is an error.
	HelloTimeout time.Duration

	// Env are the variables of the processes: NAME=VALUE, or NAME to copy one from here. Besides, a process gets
	// PATH, HOME, USER, LANG, TMPDIR and CUDA_VISIBLE_DEVICES of its host, and nothing else.
	Env []string

	// Ship are folders that are brought into the work folder under their last name.
	Ship []string

	// Files are folders for single hosts: by the host's name, then by their place in the work folder, with slashes. Inside the work
	// folder nothing else may be there.
	Files map[string]map[string]string

	// Binary maps "os/arch" to the executable for such hosts; "" is the one for all others. Where it has no entry,
	// the executable of this process is taken.
	Binary map[string]string

	// SSH says how hosts are reached; nil starts local processes, whatever the hosts' addresses.
	SSH *sshconn.Config

	// Args are arguments of the started program; usually none, since its orders say it all.
	Args []string

	// LogRate is how many bytes of records each host may send in a second, and twice as many at once. What is more is dropped on the
	// host, and declared by a record of stream [Gap]; a process's last lines always come. Zero is [DefaultLogRate]; negative lets
	// everything through, and processes wait for a slow launcher as long as it takes.
	LogRate int64

	// Log is called with each record, for each host from one goroutine at a time and in order. Nil drops them.
	// A slow Log slows the hosts' output down; after Lease and [LeaseNotice] without progress, lines are dropped and declared.
	Log func(Record)

	// Progress is called, from several goroutines, as hosts come up. Nil is nobody.
	Progress func(Event)

	// Logger is for the launcher's own notes; at level debug it hears how each host holds its processes. Nil drops them.
	Logger *slog.Logger
}

// Stage is how far a host has come.
type Stage string

// The stages in their order; local processes have only the last.
const (
	StageConnecting Stage = "connecting"
	StageConnected  Stage = "connected"
	StageShipping   Stage = "shipping"
	StageStarted    Stage = "started"
)

// Event is a step of a host that comes up.
type Event struct {
	Host  string
	Stage Stage
	Sent  int64 // StageShipping: bytes sent so far
	Total int64 // StageShipping: bytes to send
}

// Ports is a range of TCP ports. The zero value is any that is free.
type Ports struct{ First, Last int }

// checkFiles looks whether what is to be brought to hosts is there.
func (c *Config) checkFiles() error {
	var errs []error
	folders := slices.Clone(c.Ship)
	for _, of := range c.Files {
		folders = append(folders, slices.Collect(maps.Values(of))...)
	}
	slices.Sort(folders)
	for _, dir := range slices.Compact(folders) {
		if info, err := os.Stat(dir); err != nil {
			errs = append(errs, fmt.Errorf("bootstrap: folder to ship: %w", err))
		} else if !info.IsDir() {
			errs = append(errs, fmt.Errorf("bootstrap: %s is to be shipped, but is no folder", dir))
		}
	}
	for platform, path := range c.Binary {
		if _, err := os.Stat(path); err != nil {
			errs = append(errs, fmt.Errorf("bootstrap: executable for %q: %w", platform, err))
		}
	}
	return errors.Join(errs...)
}

// validate fills in what is zero.
func (c *Config) validate() error {
	if _, host := os.LookupEnv(talk.Marker); host {
		return fmt.Errorf("%w; it launches a run itself, in a process that was started as a host", ErrNoInit)
	}
	if c.Lease < 0 || c.Parallel < 0 || c.HelloTimeout < 0 {
		return errors.New("bootstrap: Lease, Parallel and HelloTimeout must not be negative; zero is the default")
	}
	if err := c.checkFiles(); err != nil {
		return err
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Lease < minLease {
		return fmt.Errorf("bootstrap: a Lease of %v would lose hosts that only wait for their turn; give at least %v", c.Lease, minLease)
	}
	if c.LogRate == 0 {
		c.LogRate = DefaultLogRate
	}
	if c.Parallel == 0 {
		c.Parallel = 64
	}
	if c.HelloTimeout == 0 {
		c.HelloTimeout = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = func(Record) {}
	}
	if c.Progress == nil {
		c.Progress = func(Event) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
