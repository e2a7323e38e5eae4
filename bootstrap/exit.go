package bootstrap

import (
	"fmt"
	"strings"
)

// Exit is how a process ended: it exited (Code), it was ended by a signal (Signal), or nobody knows (Lost).
type Exit struct {
	Code   int      // its status; 128 + n after signal n; -1 when lost
	Signal string   // the signal's name, as in "SIGKILL", or empty
	Memory bool     // the signal was the kernel's SIGKILL for want of memory, as far as that can be known: the kernel tells that it killed, not whom
	Lost   bool     // the link ended before a status came
	Err    error    // when lost: [ErrNoStatus] and what is known
	MaxRSS int64    // largest resident memory of the worker in bytes; zero when lost
	Left   int      // descendants that could not be killed; zero but for processes stuck in the kernel
	Silent bool     // it did not answer for the length of a lease, and was killed
	Last   []string // the last lines of its output, at most 20, each at most 4096 bytes
}

// Success says whether the process exited by itself with status 0.
func (e Exit) Success() bool { return !e.Lost && e.Signal == "" && e.Code == 0 }

// String says how the process ended in a few words.
func (e Exit) String() string {
	switch {
	case e.Lost:
		return "no status: " + strings.ReplaceAll(fmt.Sprint(e.Err), "\n", "; ")
	case e.Memory:
		return "killed for want of memory"
	case e.Silent:
		return "stopped answering, and was killed"
	case e.Signal != "":
		return "killed by " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// lastLines keeps the last lines of output and of the agent.
type lastLines struct {
	max  int
	kept []string
}

const maxLastLine = 4096

func (l *lastLines) add(r Record) {
	if r.Stream == Log || r.Stream == Gap || r.Node != "" { // a node's words are not the process's
		return
	}
	if len(l.kept) == l.max {
		l.kept = append(l.kept[:0], l.kept[1:]...)
	}
	l.kept = append(l.kept, string([]byte(r.Text[:min(len(r.Text), maxLastLine)]))) // copied, so that a long line can go
}

func (l *lastLines) lines() []string { return l.kept }
