package bootstrap

import (
	"os"
	"time"
)

// Enter hands control over in a process that was started as part of a host. Call it first thing in main.
//
// In any other process it returns false at once: it starts nothing and touches nothing. As an agent, and for [Launcher.Clean],
// it does its work and never returns. As a worker it returns the guest, once its orders have come.
func Enter() (*Guest, bool) {
	role, ok := os.LookupEnv(marker)
	if !ok {
		return nil, false
	}
	_ = os.Unsetenv(marker) // no child may take itself for a part of the host
	switch role {
	case markerAgent:
		os.Exit(runAgent())
	case markerClean:
		os.Exit(mortal(runClean))
	case markerAttach:
		os.Exit(mortal(runAttach))
	case markerGiver:
		os.Exit(mortal(runGiver))
	case markerWorker:
		guest, err := enterWorker()
		if err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(exitBroken)
		}
		return guest, true
	}
	_, _ = os.Stderr.WriteString("bootstrap: " + marker + " is set to something that no launcher sets; unset it\n")
	os.Exit(exitBroken)
	return nil, false
}

// ordersSilence is how long an agent waits for the next byte of its orders, before it knows its lease.
const ordersSilence = 10 * time.Second

// strangerSilence is for how long a process that does not know its lease may show no sign of life.
const strangerSilence = ordersSilence + LeaseNotice

// mortal runs a process's whole life so that it does not stay when somebody stops it. Where that cannot be had, it stays.
func mortal(run func() int) int {
	if dead, err := startDeadman(strangerSilence); err == nil {
		defer dead.stop()
	}
	return run()
}

// exitBroken is the status of an agent or worker that was started by something else than a launcher, or lost it before its orders.
const exitBroken = 70

// exitGone is the status of a process that was to attach the launcher to an agent that does not exist any more.
const exitGone = 71
