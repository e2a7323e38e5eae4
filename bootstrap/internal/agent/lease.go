package agent

import (
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// verdict is what is to be done with the worker now.
type verdict int

const (
	verdictNone verdict = iota
	verdictWarn
	verdictKill
)

// lease decides when the worker is warned and when it is killed. It reads no clock: whoever drives it says what time it is.
//
// Once lost, a lease stays lost: nodes that were told to stop are not called back.
type lease struct {
	length time.Duration
	heard  time.Time

	cause    talk.StopCause
	lost     bool
	warned   bool
	killed   bool
	deadline time.Time // of the notice; zero: none
}

// hear notes that the launcher was heard at t; earlier times than the last change nothing.
func (l *lease) hear(t time.Time) {
	if t.After(l.heard) {
		l.heard = t
	}
}

// terminate notes a request to stop: notice zero kills at once, negative never.
// Of several requests the strictest holds.
func (l *lease) terminate(now time.Time, notice time.Duration) {
	if l.cause == talk.CauseNone {
		l.cause = talk.CauseAsked
	}
	if notice >= 0 {
		l.limit(now.Add(notice))
	}
}

func (l *lease) limit(t time.Time) {
	if l.deadline.IsZero() || t.Before(l.deadline) {
		l.deadline = t
	}
}

// decide says what is to be done at now and when to ask again; a zero time means that nothing more will come of waiting.
func (l *lease) decide(now time.Time) (verdict, time.Time) {
	if l.killed {
		return verdictNone, time.Time{}
	}
	expiry := l.heard.Add(l.length)
	if !l.lost && !now.Before(expiry) {
		l.lost = true
		if l.cause == talk.CauseNone {
			l.cause = talk.CauseLease
		}
		l.limit(now.Add(talk.LeaseNotice))
	}
	if !l.deadline.IsZero() && !now.Before(l.deadline) {
		l.killed = true
		return verdictKill, time.Time{}
	}
	wake := l.deadline
	if !l.lost && (wake.IsZero() || expiry.Before(wake)) {
		wake = expiry
	}
	if l.cause != talk.CauseNone && !l.warned {
		l.warned = true
		return verdictWarn, wake
	}
	return verdictNone, wake
}
