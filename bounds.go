package tlaunch

import (
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// Bounds is what messages between the processes of a run may take: see docs/budgets.md. Zero stands for the default; what is negative is
// refused, or stands for the default as well where the field says so.
type Bounds struct {
	Window      int // messages that a process may have under way to one node of another; zero and less: 4096
	WindowBytes int // and the size of their arguments; zero and less: 4 MiB
	QueueBytes  int // of data that waits to be written to one process; zero: 4 MiB
	UrgentBytes int // and of answers, credit and the like; zero: 64 MiB
	MaxMessage  int // the largest message; zero: 64 MiB
}

// Bounded sets the bounds of messages in all processes of the program's runs, guests included.
func Bounded(b Bounds) ProgramOption { return func(p *program) { p.bounds = b } }

// system is a system's configuration with these bounds.
func (b Bounds) system(cfg actor.Config) actor.Config {
	cfg.Window, cfg.WindowBytes = b.Window, b.WindowBytes
	return cfg
}

// endpoint is the same for an endpoint.
func (b Bounds) endpoint(cfg remote.Config) remote.Config {
	cfg.QueueBytes, cfg.UrgentBytes, cfg.MaxMessage = b.QueueBytes, b.UrgentBytes, b.MaxMessage
	return cfg
}
