//go:build linux && hosts

package clustertest

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
)

// outage is how long a cable is out that is to be bridged, in runs with the lease bridgedLease: 3 s of the default one. With the race
// detector, on a machine that is busy with other tests, more time is left to log in again; a link only counts as lost after 0.4 leases.
var outage, bridgedLease = func() (time.Duration, time.Duration) {
	if raceEnabled {
		return 5 * time.Second, 2 * bootstrap.DefaultLease
	}
	return 3 * time.Second, bootstrap.DefaultLease
}()

// A cable is out for a while and the sessions of sshd are killed: calls of the launcher wait, and none is lost or made twice.
func TestCallsGoOnWhenTheLinkIsLost(t *testing.T) {
	t.Parallel()
	testprog(t) // its build is no part of a launch
	c := up(t, 2)
	run := service(t, c, tlaunch.Lease(bridgedLease))
	ledger, err := tlaunch.Find[*programs.Ledger](run, "ledger", 0)
	require.NoError(t, err)
	ctx := within(t, runPatience)
	var made atomic.Int64
	calling, going := errgroup.WithContext(ctx)
	over := make(chan struct{})
	calling.Go(func() error {
		for n := 1; ; n++ {
			select {
			case <-over:
				return nil
			default:
			}
			sum, err := actor.Call(going, ledger, (*programs.Ledger).Add, 1)
			if err != nil {
				return err
			}
			if sum != n {
				return fmt.Errorf("after %d calls the sum is %d", n, sum)
			}
			made.Store(int64(n))
		}
	})
	more := func() {
		t.Helper()
		from := made.Load()
		require.Eventually(t, func() bool { return made.Load() > from+100 || going.Err() != nil }, runPatience, 5*time.Millisecond)
	}
	h := c.Hosts[0]
	more()
	h.Cut()
	time.Sleep(outage) // how long the cable is out is what this is about
	h.Heal()
	more()
	killSessions(h)
	more()
	close(over)
	require.NoError(t, calling.Wait())
	require.NoError(t, run.Stop(ctx))
	c.requireClean(t)
}

// The sessions of sshd are killed under two runs, one of which ends: each has its own, and what both report is as if nothing had happened.
func TestRunsGoOnWhenSessionsAreKilled(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	l := start(t, nil, testprog(t), append([]string{"fate", "-how", "wait"}, c.ssh()...)...)
	beside := start(t, nil, testprog(t), append([]string{"fate", "-how", "wait"}, c.ssh()...)...)
	l.await("fate how=wait", "standing by", "standing by")
	beside.await("fate how=wait", "standing by", "standing by")
	killSessions(c.Hosts[1])
	l.await("is back")
	beside.await("is back")
	l.signal(syscall.SIGTERM)
	r := l.wait()
	require.Equal(t, 143, r.status)
	require.Contains(t, r.out, "given notice")
	require.NotContains(t, r.out, "no status")
	beside.signal(syscall.SIGTERM)
	r = beside.wait()
	require.Equal(t, 143, r.status)
	require.NotContains(t, r.out, "no status")
	c.requireClean(t)
}
