package tlaunch

import (
	"errors"
	"fmt"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// A Report says what has become of a run and of each of its nodes. It is a
// value: later events do not change it. It is meant for people (String) and for
// programs (its JSON form).
type Report struct {
	Run     string    `json:"run"`
	Program string    `json:"program"`
	Over    bool      `json:"over"` // nothing is left of the run, and the report is final
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"` // zero: not over
	// Nodes are in the order in which the program added them.
	Nodes []NodeReport `json:"nodes"`
	// Hosts are those with nodes, in the order of the inventory. There are none
	// in a run in one process.
	Hosts []HostReport `json:"hosts,omitempty"`
	// FirstCause is what the other failures follow from, and what [Run.Wait]
	// returns as an error; nil in a run that has not failed. Until the run is
	// over it is what is known so far: a process that died may be heard of after
	// those who lost it.
	FirstCause *Cause `json:"first_cause,omitempty"`
}

// A State is how far a node or a host's process has come.
type State string

// The states. The last five are final.
const (
	StateWaiting State = "waiting" // not started
	StateRunning State = "running" // told to start, and not known to have ended
	StateEnded   State = "ended"   // its Run has returned nil; a host: all its nodes have ended in good order
	StateStopped State = "stopped" // it was told to stop since the run ended, and did
	StateFailed  State = "failed"  // its Start, Run or Stop failed; a host: its process ended before it was told to
	StateKilled  State = "killed"  // it had not ended when the notice was over
	StateLost    State = "lost"    // its process ended, or its host was lost, while it lived
)

// A How names a way to end.
type How string

// The ways to end.
const (
	HowError  How = "error"         // a node: Start, Run or Stop returned one
	HowPanic  How = "panic"         // a node
	HowExit   How = "exit status"   // a process, or a node that is a command
	HowSignal How = "signal"        // the same
	HowMemory How = "out of memory" // a process or a command: the kernel killed it for want of memory
	HowSilent How = "no answer"     // a process: it did not answer for the length of a lease, and was killed
	HowLost   How = "host lost"     // nobody knows how the process ended
	HowKilled How = "killed"        // it had not ended when the notice was over
)

// An Ending is how a node or a process ended, where that was not in good order.
type Ending struct {
	How    How    `json:"how,omitempty"`    // empty: in good order, or not yet
	Phase  string `json:"phase,omitempty"`  // a node's: start, run or stop
	Reason string `json:"reason,omitempty"` // the error or panic, or what else is known
	Stack  string `json:"stack,omitempty"`  // of a panic
	Status int    `json:"status,omitempty"` // a process's or a command's; 128 + n after signal n; -1 where nobody knows
	Signal string `json:"signal,omitempty"` // as in "SIGKILL"
}

// String is the ending in a few words; empty for one in good order.
func (e Ending) String() string {
	switch e.How {
	case HowExit:
		return fmt.Sprintf("exit status %d", e.Status)
	case HowSignal:
		return e.Signal
	}
	return string(e.How)
}

// A NodeReport says what has become of a node. Times are the launcher's.
type NodeReport struct {
	Node     string    `json:"node"`           // label/number
	Name     string    `json:"name,omitempty"` // given by Named, where that differs
	Host     string    `json:"host"`
	State    State     `json:"state"`
	Ending   Ending    `json:"ending,omitzero"`
	Restarts int       `json:"restarts"`
	Started  time.Time `json:"started,omitzero"` // told to start; zero: not yet
	Ended    time.Time `json:"ended,omitzero"`   // zero: not yet
	// Consequence is set where the node failed, or was lost, only because of the first cause.
	Consequence bool `json:"consequence,omitempty"`
	// Last are the last lines that the node has logged, at most 20 and 8 KiB.
	Last []string `json:"last,omitempty"`

	process string // in which it lives
}

// Duration is how long the node has lived, at now if it still does.
func (n NodeReport) Duration(now time.Time) time.Duration {
	switch {
	case n.Started.IsZero():
		return 0
	case n.Ended.IsZero():
		return now.Sub(n.Started)
	}
	return n.Ended.Sub(n.Started)
}

// A HostReport says what has become of a host's process.
type HostReport struct {
	Host   string `json:"host"`
	State  State  `json:"state"`
	Ending Ending `json:"ending,omitzero"`
	// Last are the last lines that it has printed and that are no node's, at
	// most 20 and 8 KiB. Of a process that panicked they are the first ones from the panic on.
	Last []string `json:"last,omitempty"`
}

// A Cause is the failure that a run has ended with.
type Cause struct {
	Node   string `json:"node,omitempty"` // empty: the whole process failed
	Name   string `json:"name,omitempty"` // of the node, given by Named, where that differs
	Host   string `json:"host,omitempty"` // empty: it was no host's failure
	Ending Ending `json:"ending"`
	// Limits are the bounds of policies that kept the run from going on, in words.
	Limits []string `json:"limits,omitempty"`
	// Last are the last lines of the node, or of the process.
	Last []string `json:"last,omitempty"`
	// Lost are the nodes that went down with the process.
	Lost []string `json:"lost,omitempty"`
	// Consequences are the nodes that failed because of the first cause, or may have.
	Consequences []string `json:"consequences,omitempty"`
	// Also are nodes that failed for reasons of their own.
	Also []string `json:"also,omitempty"`
}

// Report says what has become of the run and of each node so far. It may be
// called at any time.
func (r *Run) Report() Report { return r.ledger.report(time.Now()) }

// endingOf says how a node ended.
func endingOf(o outcome, killed bool) Ending {
	if o.err == nil {
		return Ending{}
	}
	e := newNodeError(o)
	ending := Ending{How: HowError, Phase: o.phase, Reason: e.reason(), Stack: e.Stack}
	var command *CommandError
	switch {
	case killed:
		ending.How = HowKilled
	case errors.As(o.err, &command):
		ending.How, ending.Status, ending.Signal = HowExit, command.Code, command.Signal
		switch {
		case command.Memory:
			ending.How = HowMemory
		case command.Signal != "":
			ending.How = HowSignal
		}
	case e.Stack != "" && isPanic(o.err):
		ending.How = HowPanic
	}
	return ending
}

// exitOf says how a process ended.
func exitOf(e bootstrap.Exit) Ending {
	switch {
	case e.Lost:
		return Ending{How: HowLost, Status: e.Code, Reason: e.String()}
	case e.Memory:
		return Ending{How: HowMemory, Status: e.Code, Signal: e.Signal, Reason: e.String()}
	case e.Silent:
		return Ending{How: HowSilent, Status: e.Code, Signal: e.Signal, Reason: e.String()}
	case e.Signal != "":
		return Ending{How: HowSignal, Status: e.Code, Signal: e.Signal, Reason: e.String()}
	}
	return Ending{How: HowExit, Status: e.Code, Reason: e.String()}
}
