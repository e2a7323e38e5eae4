package bootstrap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

var (
	// ErrNoInit means that a program was started as a host of a run, but never reached [Enter].
	ErrNoInit = errors.New("bootstrap: the program's main never called tlaunch.Init or tlaunch.Main")

	// ErrLeaseLost is the cause of [Guest.Context] when the launcher was not heard for the length of the lease.
	ErrLeaseLost = talk.ErrLeaseLost

	// ErrTerminated is the cause of [Guest.Context] when the launcher asked the process to stop.
	ErrTerminated = talk.ErrTerminated

	// ErrNoStatus means that the link to a process ended before its exit status came: whether it failed is not known.
	// The process itself is gone once its lease has run out.
	ErrNoStatus = errors.New("bootstrap: the link to the process ended before its exit status came")

	// ErrClosed is returned by a launcher that is closed and by a process that has ended.
	ErrClosed = errors.New("bootstrap: closed")

	// ErrUnsupported is returned where the operating system cannot do what is asked.
	ErrUnsupported = errors.New("bootstrap: not supported on this operating system")
)

// HostError says why a process could not be started on a host, and what may help.
type HostError struct {
	Host   string
	Op     string // what was being done: "connect", "probe", "ship", "start"…
	Err    error
	Remedy string // what the user can do, or empty
}

// Error returns one line: host, what failed, why, and the remedy. What the host has said cannot harm a terminal: see [Printable].
func (e *HostError) Error() string {
	s := fmt.Sprintf("host %s: %s: %s", e.Host, e.Op, e.Reason())
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return Printable(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}

// Reason is what Err says, without the name of the host again. It may have more than one line.
func (e *HostError) Reason() string {
	if known, ok := e.Err.(interface{ Of(host string) string }); ok { // itself: what wraps it has words of its own
		return known.Of(e.Host)
	}
	return fmt.Sprint(e.Err)
}

// Unwrap returns the reason.
func (e *HostError) Unwrap() error { return e.Err }
