package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

func TestLease(t *testing.T) {
	const s = time.Second
	type step struct {
		at    time.Duration
		heard time.Duration // when the launcher was last heard
		ask   *time.Duration
		do    verdict
		wake  time.Duration // -1: never
	}
	ask := func(d time.Duration) *time.Duration { return &d }
	for _, c := range []struct {
		name  string
		steps []step
		cause talk.StopCause
	}{
		{"kept", []step{{at: 0, wake: 5 * s}, {at: 5 * s, heard: 4 * s, wake: 9 * s}, {at: 9 * s, heard: 8 * s, wake: 13 * s}}, talk.CauseNone},
		{"lost", []step{{at: 5 * s, do: verdictWarn, wake: 8 * s}, {at: 6 * s, wake: 8 * s}, {at: 8 * s, do: verdictKill, wake: -1}, {at: 9 * s, wake: -1}}, talk.CauseLease},
		{"lost for good", []step{{at: 5 * s, do: verdictWarn, wake: 8 * s}, {at: 6 * s, heard: 6 * s, wake: 8 * s}, {at: 8 * s, heard: 8 * s, do: verdictKill, wake: -1}}, talk.CauseLease},
		{"asked", []step{{at: s, ask: ask(10 * s), heard: s, do: verdictWarn, wake: 6 * s}, {at: 6 * s, heard: 5 * s, wake: 10 * s}, {at: 11 * s, heard: 10 * s, do: verdictKill, wake: -1}}, talk.CauseAsked},
		{"asked at once", []step{{at: s, ask: ask(0), do: verdictKill, wake: -1}}, talk.CauseAsked},
		{"asked, never killed", []step{{at: s, ask: ask(-1), heard: s, do: verdictWarn, wake: 6 * s}, {at: 6 * s, heard: 5 * s, wake: 10 * s}}, talk.CauseAsked},
		{"asked, never killed, then lost", []step{{at: s, ask: ask(-1), heard: s, do: verdictWarn, wake: 6 * s}, {at: 6 * s, heard: s, wake: 9 * s}, {at: 9 * s, heard: s, do: verdictKill, wake: -1}}, talk.CauseAsked},
		{"strictest holds", []step{{at: 0, ask: ask(2 * s), do: verdictWarn, wake: 2 * s}, {at: s, ask: ask(9 * s), wake: 2 * s}, {at: s, ask: ask(-1), wake: 2 * s}, {at: s, ask: ask(0), do: verdictKill, wake: -1}}, talk.CauseAsked},
		{"lost while the notice is long", []step{{at: 0, ask: ask(time.Hour), do: verdictWarn, wake: 5 * s}, {at: 5 * s, wake: 8 * s}, {at: 8 * s, do: verdictKill, wake: -1}}, talk.CauseAsked},
	} {
		t.Run(c.name, func(t *testing.T) {
			origin := time.Unix(1000, 0)
			l := lease{length: 5 * s, heard: origin}
			for i, step := range c.steps {
				now := origin.Add(step.at)
				l.hear(origin.Add(step.heard))
				if step.ask != nil {
					l.terminate(now, *step.ask)
				}
				do, wake := l.decide(now)
				require.Equal(t, step.do, do, "step %d", i)
				if step.wake < 0 {
					require.True(t, wake.IsZero(), "step %d", i)
				} else {
					require.Equal(t, step.wake, wake.Sub(origin), "step %d", i)
				}
			}
			require.Equal(t, c.cause, l.cause)
		})
	}
}

func TestSupervisor(t *testing.T) {
	type happening struct {
		what string
		at   time.Duration
	}
	for _, c := range []struct {
		name   string
		silent time.Duration // pings come every second until then
		ask    time.Duration // when to stop is asked for, with 4 s of notice; zero: not
		want   []happening
	}{
		{"launcher gone", 10 * time.Second, 0, []happening{{"lost", 15 * time.Second}, {"warn", 15 * time.Second}, {"kill", 18 * time.Second}}},
		{"asked", time.Hour, 7 * time.Second, []happening{{"warn", 7 * time.Second}, {"kill", 11 * time.Second}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, beat := time.Now(), talk.NewPulse()
				terminate, exited := make(chan time.Duration), make(chan struct{})
				var seen []happening
				note := func(what string) { seen = append(seen, happening{what, time.Since(begin)}) }
				s := supervisor{
					lease: lease{length: 5 * time.Second, heard: begin}, heard: beat.At,
					terminate: terminate, exited: exited,
					lost: func() { note("lost") },
					warn: func(talk.StopCause) { note("warn") },
					kill: func(talk.StopCause) { note("kill"); close(exited) },
				}
				go func() {
					tick := time.NewTicker(time.Second)
					defer tick.Stop()
					for {
						select {
						case <-tick.C:
							if time.Since(begin) <= c.silent {
								beat.Beat()
							}
							if c.ask != 0 && time.Since(begin) == c.ask {
								terminate <- 4 * time.Second
							}
						case <-exited:
							return
						}
					}
				}()
				s.run()
				require.Equal(t, c.want, seen)
			})
		})
	}
}
