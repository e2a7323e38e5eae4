package bootstrap

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/resume"
)

// pulse remembers when something was last read. It is safe for concurrent use.
type pulse struct {
	origin time.Time
	last   atomic.Int64 // nanoseconds after origin
}

func newPulse() *pulse { return &pulse{origin: time.Now()} }

func (p *pulse) beat() { p.last.Store(int64(time.Since(p.origin))) }

func (p *pulse) at() time.Time { return p.origin.Add(time.Duration(p.last.Load())) }

// pulseReader beats with every successful read.
type pulseReader struct {
	io.Reader
	pulse *pulse
}

func (r pulseReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if n > 0 {
		r.pulse.beat()
	}
	return n, err
}

// heardStream is a stream whose reads beat: what a lost carrier had under way counts when it comes.
type heardStream struct {
	*resume.Stream
	pulse *pulse
}

func (s heardStream) Read(b []byte) (int, error) { return pulseReader{s.Stream, s.pulse}.Read(b) }

// supervisor drives a lease until the worker has ended. Its functions are called from run alone and must not block for long.
type supervisor struct {
	lease     lease
	heard     func() time.Time
	terminate <-chan time.Duration
	exited    <-chan struct{}
	lost      func()                // the launcher is gone: once, before the warning
	warn      func(cause stopCause) // at most once
	kill      func(cause stopCause) // at most once
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
