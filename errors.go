package tlaunch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// The statuses with which [Main] exits, apart from 128 + n when signal n ended
// it. Where a host's process has ended the run, Main exits as that did: with its
// status, which may be any, or with 128 + n where signal n ended it.
const (
	StatusFailed      = 1   // a node failed, a host was lost, or something had to be killed
	StatusUsage       = 2   // flags, inventory, program or configuration are wrong; nothing was started
	StatusLaunch      = 3   // the launch failed
	StatusInterrupted = 130 // Ctrl-C
)

// A ProgramError says what is wrong with a program, before anything is
// started: all mistakes joined in Err.
type ProgramError struct {
	Program string
	Err     error
}

func (e *ProgramError) Error() string {
	return fmt.Sprintf("program %s: %s", e.Program, strings.ReplaceAll(e.Err.Error(), "\n", "\n  "))
}

func (e *ProgramError) Unwrap() error { return e.Err }

// A UsageError says that options do not fit, before anything is started.
type UsageError struct{ Reason string }

func (e *UsageError) Error() string { return e.Reason }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// A DifferenceError says that two processes of a run built different graphs,
// and which node is the first that differs.
type DifferenceError struct{ Node, What string }

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("the program is not the same in every process: node %s: %s; it must be a pure function of its configuration and its hosts", e.Node, e.What)
}

// failedLaunch is the error of a launch that failed for no host's reason.
// What is wrong with the options or the program stays what it is.
func failedLaunch(program string, err error) error {
	var launch *LaunchError
	var usage *UsageError
	var mistake *ProgramError
	if errors.As(err, &launch) || errors.As(err, &usage) || errors.As(err, &mistake) {
		return err
	}
	return &LaunchError{Program: program, Errs: []error{err}}
}

// A LaunchError says why a launch failed: one error for each host that did, or
// the one for which there was no going on (a registry out of reach, the end of
// the context).
type LaunchError struct {
	Program string
	Hosts   int     // how many were to start; 0: the failure is no host's
	Errs    []error // most are *bootstrap.HostError
}

// Error is one line for each host that failed.
func (e *LaunchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "launching %s", e.Program)
	if e.Hosts == 0 {
		fmt.Fprintf(&b, ": %v", errors.Join(e.Errs...))
		return b.String()
	}
	fmt.Fprintf(&b, ": %d of %d hosts failed", len(e.Errs), e.Hosts)
	for _, err := range e.Errs {
		b.WriteString("\n  " + strings.ReplaceAll(err.Error(), "\n", "\n    "))
	}
	return b.String()
}

func (e *LaunchError) Unwrap() []error { return e.Errs }

// stepListen is the step of a host that opens its port.
const stepListen = "listen"

// stepError says at which step a host failed to join, where that tells more
// than its error.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// A NodeError is the failure of a node: what its Start, Run or Stop returned,
// or an [actor.PanicError].
type NodeError struct {
	Node, Host string
	Phase      string // "start", "run" or "stop"
	Err        error  // an *actor.Error where the node lived in another process
	Stack      string // of a panic
}

func newNodeError(o outcome) *NodeError {
	e := &NodeError{Node: o.node, Host: hostOf(o.host), Phase: o.phase, Err: o.err}
	var here *actor.PanicError
	var elsewhere *actor.Error
	switch {
	case errors.As(o.err, &here):
		e.Stack = here.Stack
	case errors.As(o.err, &elsewhere):
		e.Stack = elsewhere.Stack
	}
	return e
}

// reason is what went wrong, without the node and host that failed.
func (e *NodeError) reason() string {
	if own, ok := e.Err.(*actor.Error); ok && own.Node == e.Node && own.Method == "" {
		return own.Text
	}
	return e.Err.Error()
}

// isPanic tells whether a node's error is that it panicked itself, here or in another process.
func isPanic(err error) bool { return errors.Is(err, actor.ErrPanic) }

func (e *NodeError) Error() string {
	s := fmt.Sprintf("node %s on %s failed (%s): %s", e.Node, e.Host, e.Phase, e.reason())
	if e.Stack != "" {
		s += "\n" + strings.TrimRight(e.Stack, "\n")
	}
	return s
}

func (e *NodeError) Unwrap() error { return e.Err }

// A ProcessError is the unexpected end of a host's process, with all its nodes.
type ProcessError struct {
	Host string
	Node string // the one whose own process it was; empty: it was the host's
	Exit bootstrap.Exit
}

func (e *ProcessError) Error() string {
	s := fmt.Sprintf("the process on %s ended: %v", e.Host, e.Exit)
	if e.Node != "" {
		s = fmt.Sprintf("its own process ended: %v", e.Exit)
	}
	if len(e.Exit.Last) > 0 {
		s += "; its last lines:\n  " + strings.Join(e.Exit.Last, "\n  ")
	}
	return s
}

func (e *ProcessError) Unwrap() error { return e.Exit.Err }

// A RestartError says that a node failed once more than its [Restarts] allow.
type RestartError struct {
	Node   string
	Times  int // it was started again
	Within time.Duration
	Err    error // how it failed last: a *NodeError or *ProcessError
}

func (e *RestartError) Error() string {
	return fmt.Sprintf("%s: %v", e.limit(), e.Err)
}

func (e *RestartError) limit() string {
	return fmt.Sprintf("node %s was started again %s within %v, as often as its policy allows", e.Node, times(e.Times), e.Within)
}

func (e *RestartError) Unwrap() error { return e.Err }

// A GroupError says that fewer nodes of a label are left than [KeepAtLeast] asks for.
type GroupError struct {
	Label             string
	Left, Least, Size int
	Err               error // how the first of the group failed
}

func (e *GroupError) Error() string {
	return fmt.Sprintf("%s; the first to fail: %v", e.limit(), e.Err)
}

func (e *GroupError) limit() string {
	return fmt.Sprintf("%d of %d nodes are left in group %s, at least %d must be", e.Left, e.Size, e.Label, e.Least)
}

// limitsOf are the bounds of policies that a failure has met, in words.
func limitsOf(err error) (limits []string) {
	var group *GroupError
	if errors.As(err, &group) {
		limits = append(limits, group.limit())
	}
	var spent *RestartError
	if errors.As(err, &spent) {
		limits = append(limits, spent.limit())
	}
	return limits
}

func (e *GroupError) Unwrap() error { return e.Err }

// ErrKilled is wrapped by what [Run.Wait] returns when nodes had not ended
// when their notice was over, or the run was killed. A notice of zero gives
// nodes no time, so there it is no failure.
var ErrKilled = errors.New("tlaunch: killed before the end of its own")

// ExitStatus is the status with which a script should exit after err: 0 for
// nil, [StatusUsage] where nothing was started, [StatusLaunch] for a failed
// launch, for a [*ProcessError] or a [*CommandError] that of the process (128 + n
// after signal n), and [StatusFailed] for everything else: nodes that failed, lost
// hosts, processes that exited with 0 before they should.
func ExitStatus(err error) int {
	var launch *LaunchError
	var program *ProgramError
	var usage *UsageError
	var process *ProcessError
	var command *CommandError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &launch):
		return StatusLaunch
	case errors.As(err, &usage), errors.As(err, &program):
		return StatusUsage
	case errors.As(err, &process) && process.Exit.Code > 0:
		return process.Exit.Code
	case errors.As(err, &command):
		return command.Code
	}
	return StatusFailed
}
