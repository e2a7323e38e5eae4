//go:build unix

package agent

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// watchWorker kills a worker that has stopped answering for the length of the lease: one that was stopped (SIGSTOP), or is
// stuck in the kernel. It asks the worker's end of their connection, which answers whatever the nodes do, and begins when the
// worker has reached Enter. Ticks are counted rather than time, so that a sleep of the
// whole machine is not held against the worker.
func (a *agent) watchWorker() {
	a.awaitEntry()
	close(a.entry)
	if !a.entered {
		return
	}
	go func() { // a launcher that does not listen is the lease's matter
		_ = a.send(talk.FrameStarted, talk.StartReport{Dir: a.dir, Held: a.ward.how, Bridge: a.bridge})
	}()
	const parts = 5
	tick := time.NewTicker(a.orders.Lease / parts)
	defer tick.Stop()
	for {
		answered := make(chan error, 1)
		go func() { // ends with the connection, if there is no answer
			_, err := a.worker.Ping()
			answered <- err
		}()
		if a.awaitPong(tick.C, answered, parts) {
			select {
			case <-tick.C:
				continue
			case <-a.exited:
				return
			}
		}
		if a.over() {
			return
		}
		a.silent.Store(true)
		a.records.Say(slog.LevelError, fmt.Sprintf("the host's process has not answered for %v; it is killed", a.orders.Lease))
		select {
		case a.terminate <- 0:
		case <-a.exited:
		}
		return
	}
}

// awaitPong waits for an answer for so many ticks. It reports whether one came.
func (a *agent) awaitPong(tick <-chan time.Time, answered <-chan error, ticks int) bool {
	for missed := 0; missed <= ticks; {
		select {
		case err := <-answered:
			if err == nil {
				return true
			}
			answered = nil // the worker has closed the connection: its end follows, or has to be made
		case <-tick:
			missed++
		case <-a.exited:
			return false
		}
	}
	return false
}

// over tells whether the worker has ended.
func (a *agent) over() bool {
	select {
	case <-a.exited:
		return true
	default:
		return false
	}
}
