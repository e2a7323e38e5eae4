package agent

import (
	"os"
	"syscall"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// What has nothing to do with the program's nodes takes over here rather than in its main.
func init() {
	role := os.Getenv(talk.Marker)
	var run func() int
	switch role {
	case talk.RoleAgent:
		run = runAgent
	case talk.RoleClean:
		run = func() int { return Mortal(runClean) }
	case talk.RoleAttach:
		run = func() int { return Mortal(runAttach) }
	default:
		return
	}
	_ = os.Unsetenv(talk.Marker) // no child may take itself for a part of the host
	syscall.Exit(run())          // not os.Exit, which under the race detector sleeps
}

// Statuses of a process that could not do its work.
const (
	ExitBroken = 70 // it was started by something else than a launcher, or lost it before its orders
	ExitGone   = 71 // it was to attach the launcher to an agent that does not exist any more
)

// ordersSilence is how long an agent waits for the next byte of its orders, before it knows its lease.
const ordersSilence = 10 * time.Second

// strangerSilence is for how long a process that does not know its lease may show no sign of life.
const strangerSilence = ordersSilence + talk.LeaseNotice

// Mortal runs a process's whole life so that it does not stay when somebody stops it. Where that cannot be had, it stays.
func Mortal(run func() int) int {
	if dead, err := startDeadman(strangerSilence); err == nil {
		defer dead.stop()
	}
	return run()
}
