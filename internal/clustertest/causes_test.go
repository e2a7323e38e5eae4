//go:build linux && hosts

package clustertest

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// causes is how many faults TestFirstCauses makes. `make faults` asks for 50.
var causes = flag.Int("causes", 6, "faults of TestFirstCauses")

// TestFirstCauses does one thing to one of eight hosts, of which all need all others, so that everybody fails within
// milliseconds. What the launcher then names as the first cause is right in all cases but one of fifty, so that one of a few may be wrong by chance too.
func TestFirstCauses(t *testing.T) {
	t.Parallel()
	c := up(t, 8)
	s := cmp.Or(*seed, rand.Uint64())
	t.Logf("again with: go test -tags hosts -run '%s' ./internal/clustertest -causes %d -seed %d", t.Name(), *causes, s)
	rng := rand.New(rand.NewPCG(s, 50))
	var wrong []string
	for i := range *causes {
		fault, want, said := oneFault(t, c, rng)
		if !strings.Contains(said, want) {
			wrong = append(wrong, fmt.Sprintf("%d: %s: want %q, the launcher said:\n%s", i, fault, want, said))
		}
	}
	t.Logf("%d of %d right", *causes-len(wrong), *causes)
	for _, w := range wrong {
		t.Log(w)
	}
	require.LessOrEqual(t, len(wrong), max(*causes/50, 1))
}

// oneFault launches, makes a fault, and returns what it was, what is to be said of it and what the launcher said after "first cause:".
func oneFault(t *testing.T, c *site, rng *rand.Rand) (fault, want, said string) {
	t.Helper()
	victim := rng.IntN(2 * len(c.Hosts))
	host := c.Hosts[victim/2]
	hows := []string{"error", "panic", "exit", "kill", "SIGKILL", "SIGSEGV", "agent", "sshd"}
	how := hows[rng.IntN(len(hows))]
	args := append([]string{"tangle"}, c.ssh()...)
	inside := map[string]string{
		"error": fmt.Sprintf("node strand/%d on %s failed (run): frayed", victim, host.Name),
		"panic": fmt.Sprintf("node strand/%d on %s failed (run): panic: frayed", victim, host.Name),
		"exit":  fmt.Sprintf("the process on %s ended with exit status 9", host.Name),
		"kill":  fmt.Sprintf("the process on %s was killed by SIGKILL", host.Name),
	}
	after := time.Duration(rng.IntN(300)) * time.Millisecond
	if want = inside[how]; want != "" {
		args = append(args, "-victim", fmt.Sprint(victim), "-how", how, "-after", after.String())
	}
	l := start(t, nil, testprog(t), args...)
	if want == "" {
		l.await(slices.Repeat([]string{"tied"}, 2*len(c.Hosts))...)
		<-time.After(after) // the fault comes when it comes
		want = outside(t, host, how)
	}
	r := l.wait()
	require.NotZero(t, r.status)
	c.requireCleanWithin(t, allGone)
	host.StartSSHD()
	_, said, _ = strings.Cut(r.out, "first cause: ")
	said, _, _ = strings.Cut(said, "\n")
	return fmt.Sprintf("%s of strand/%d on %s after %v", how, victim, host.Name, after), want, said
}

// outside makes a fault that is no node's, and returns what is to be said of it.
func outside(t *testing.T, h *hosts.Host, how string) string {
	t.Helper()
	switch how {
	case "SIGKILL", "SIGSEGV":
		s := map[string]syscall.Signal{"SIGKILL": syscall.SIGKILL, "SIGSEGV": syscall.SIGSEGV}[how]
		require.NoError(t, syscall.Kill(workerOf(t, h, ofRun(h)).PID, s))
		if how == "SIGSEGV" { // the Go runtime turns it into an exit
			return "the process on " + h.Name + " "
		}
		return "the process on " + h.Name + " was killed by SIGKILL"
	case "agent":
		killRun(t, h)
	case "sshd":
		killSSHD(h)
	}
	return h.Name + " was lost"
}
