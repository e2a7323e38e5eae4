//go:build linux && hosts

package clustertest

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// backWithin is how long after a host's process is known to have died its next one has answered. With the race detector all of that is slower.
var backWithin = func() time.Duration {
	if raceEnabled {
		return 30 * time.Second
	}
	return 10 * time.Second
}()

func phoenix(t testing.TB, c *site, args ...string) *launcher {
	t.Helper()
	return start(t, nil, testprog(t), append(append([]string{"phoenix"}, c.ssh()...), args...)...)
}

// The senders themselves hold the lives to what they must keep; see package programs.
func TestHostIsStartedAgain(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	for _, end := range []struct {
		how    string
		kill   func(t *testing.T)
		within time.Duration
	}{
		{"its worker is killed", func(t *testing.T) {
			require.NoError(t, syscall.Kill(workerOf(t, c.Hosts[1], ofRun(c.Hosts[1])).PID, syscall.SIGKILL))
		}, backWithin},
		{"all its processes are killed", func(t *testing.T) { killRun(t, c.Hosts[1]) }, backWithin},
		// It is known to be dead when it has not answered for a lease.
		{"its worker is stopped", func(t *testing.T) {
			require.NoError(t, syscall.Kill(workerOf(t, c.Hosts[1], ofRun(c.Hosts[1])).PID, syscall.SIGSTOP))
		}, allGone + backWithin},
	} {
		t.Run(end.how, func(t *testing.T) {
			l := phoenix(t, c, "-lives", "3", "-max", "5")
			l.await("seen lives=1", "seen lives=1")
			for life := 2; life <= 3; life++ {
				began := time.Now()
				end.kill(t)
				seen := fmt.Sprintf("seen lives=%d", life)
				l.await(seen, seen)
				require.Less(t, time.Since(began), end.within)
			}
			r := l.wait()
			require.Equal(t, 0, r.status)
			require.Equal(t, 2, strings.Count(r.out, "content notes="))
			require.Equal(t, 2, strings.Count(r.out, "the process on host2 ended; starting it again in "))
			c.requireCleanWithin(t, allGone)
		})
	}
}

func TestHostThatIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	for name, e := range map[string]struct {
		args   []string
		status int
		want   []string
	}{
		"no policy": {[]string{"-own", "exit"}, 7, []string{"host2", "exit status 7"}},
		"restarts are spent": {[]string{"-own", "exit", "-max", "2"}, 7, []string{
			"node bird/0 was started again 2 times within 1m0s, as often as its policy allows", "first cause: the process on host2 ended with exit status 7 before it should"}},
		"restarts of the node are spent": {[]string{"-own", "fail", "-max", "2"}, 1, []string{
			"node bird/0 was started again 2 times within 1m0s, as often as its policy allows", "node bird/0 on host2 failed (run): burnt out"}},
		// The senders are told that it is gone for good, which they take for their own failure.
		"going on without": {[]string{"-own", "exit", "-keep"}, 1, []string{"going on without it", "sender/", "peer gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := launch(t, nil, testprog(t), append(append([]string{"phoenix", "-lives", "9"}, c.ssh()...), e.args...)...)
			require.Equal(t, e.status, r.status)
			for _, want := range e.want {
				require.Contains(t, r.out, want)
			}
			c.requireClean(t)
		})
	}
}

// A machine that is out of reach is tried again until it is back.
func TestMachineComesBack(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	l := phoenix(t, c, "-lives", "2", "-max", "5")
	l.await("seen lives=1", "seen lives=1")
	lost := c.Hosts[1]
	lost.Cut()
	l.await("the process on host2 ended; starting it again in ", "host host2 could not be started again; trying once more in ")
	lost.Heal()
	began := time.Now()
	l.await("seen lives=2", "seen lives=2")
	require.Less(t, time.Since(began), backWithin)
	r := l.wait()
	require.Equal(t, 0, r.status)
	lost.KillAll() // the sshd session of which the link was cut
	c.requireCleanWithin(t, allGone)
}

func TestCtrlCWhileAHostIsAway(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	l := phoenix(t, c, "-lives", "9", "-max", "5")
	l.await("seen lives=1", "seen lives=1")
	killRun(t, c.Hosts[1])
	l.await("starting it again in ")
	l.signal(syscall.SIGINT)
	require.Equal(t, 130, l.wait().status)
	c.requireCleanWithin(t, allGone)
}
