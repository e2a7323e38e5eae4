package agent

import (
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// supervisor drives a lease until the worker has ended. Its functions are called from run alone and must not block for long.
type supervisor struct {
	lease     lease
	heard     func() time.Time
	terminate <-chan time.Duration
	exited    <-chan struct{}
	lost      func()                     // the launcher is gone: once, before the warning
	warn      func(cause talk.StopCause) // at most once
	kill      func(cause talk.StopCause) // at most once
}

// run returns when exited is closed.
func (s *supervisor) run() {
	timer := time.NewTimer(s.lease.length)
	defer timer.Stop()
	for {
		s.lease.hear(s.heard())
		wasLost := s.lease.lost
		do, wake := s.lease.decide(time.Now())
		if s.lease.lost && !wasLost {
			s.lost()
		}
		switch do {
		case verdictWarn:
			s.warn(s.lease.cause)
		case verdictKill:
			s.kill(s.lease.cause)
		case verdictNone:
		}
		var alarm <-chan time.Time
		if !wake.IsZero() {
			timer.Reset(time.Until(wake))
			alarm = timer.C
		}
		select {
		case <-s.exited:
			return
		case notice := <-s.terminate:
			s.lease.terminate(time.Now(), notice)
		case <-alarm:
		}
	}
}
