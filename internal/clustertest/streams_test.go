//go:build linux && hosts

package clustertest

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// long gives the faults of TestStreams the lengths that are promised, rather than those that every run of the tests has time for.
var long = flag.Bool("long", false, "faults of TestStreams in full length")

// disturbance is what is done to the links between hosts while numbers go over all of them.
type disturbance struct {
	short, full time.Duration
	flags       []string
	do          func(t *testing.T, c *site, a, b *hosts.Host, length time.Duration)
}

// TestStreams has each of three hosts send numbers to both others, over links to which something is done. The nodes themselves look
// that nothing is lost, doubled or out of order; see package programs.
func TestStreams(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]disturbance{
		"resets every 50 ms": {short: 3 * time.Second, full: 30 * time.Second, do: resets},
		"1 % loss":           {short: 3 * time.Second, full: 30 * time.Second, do: func(t *testing.T, c *site, _, _ *hosts.Host, length time.Duration) { loss(t, c, "", length) }},
		"1 % loss with Reno": {short: 3 * time.Second, full: 30 * time.Second, do: func(t *testing.T, c *site, _, _ *hosts.Host, length time.Duration) { loss(t, c, "reno", length) }},
		"a cut between two": {short: 5 * time.Second, full: 20 * time.Second, do: func(_ *testing.T, _ *site, a, b *hosts.Host, length time.Duration) {
			a.Drop(b)
			<-time.After(length)
			a.Undrop(b)
		}},
		// Longer than a heartbeat and its answer take, and shorter than the lease.
		"a peer that is stopped": {short: 8 * time.Second, full: 8 * time.Second, flags: []string{"-lease", "30s"}, do: func(t *testing.T, _ *site, a, _ *hosts.Host, length time.Duration) {
			worker := workerOf(t, a, ofRun(a)).PID
			require.NoError(t, syscall.Kill(worker, syscall.SIGSTOP))
			<-time.After(length)
			require.NoError(t, syscall.Kill(worker, syscall.SIGCONT))
		}},
		"a peer that is killed": {short: 3 * time.Second, full: 10 * time.Second, flags: []string{"-restart"}, do: func(t *testing.T, _ *site, a, _ *hosts.Host, length time.Duration) {
			require.NoError(t, syscall.Kill(workerOf(t, a, ofRun(a)).PID, syscall.SIGKILL))
			<-time.After(length)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.disturb(t)
		})
	}
}

func (d disturbance) disturb(t *testing.T) {
	c := up(t, 3)
	s := cmp.Or(*seed, rand.Uint64())
	t.Logf("again with: go test -tags hosts -run '%s' ./internal/clustertest -seed %d", t.Name(), s)
	rng := rand.New(rand.NewPCG(s, 3))
	pair := rng.Perm(len(c.Hosts))
	length := d.short
	if *long {
		length = d.full
	}
	args := append([]string{"streams", "-for", (length + 2*time.Second).String()}, c.ssh()...)
	l := start(t, nil, testprog(t), append(args, d.flags...)...)
	l.await(fmt.Sprintf("%d hosts are up", len(c.Hosts)))
	<-time.After(time.Duration(rng.IntN(500)) * time.Millisecond) // it comes when it comes
	d.do(t, c, c.Hosts[pair[0]], c.Hosts[pair[1]], length)
	r := l.wait()
	require.Equal(t, 0, r.status)
	require.GreaterOrEqual(t, strings.Count(r.out, "streams are whole"), len(c.Hosts))
	for _, m := range regexp.MustCompile(`no answer after=(\S+)`).FindAllStringSubmatch(r.out, -1) {
		after, err := time.ParseDuration(m[1])
		require.NoError(t, err)
		require.Less(t, after, backWithin, "who waits for one that has died hears of it")
	}
	for _, m := range regexp.MustCompile(`streams end.*`).FindAllString(r.out, -1) {
		t.Log(m)
	}
	c.requireCleanWithin(t, allGone)
}

// resets ends all connections between two hosts again and again, as a firewall does that forgets them.
func resets(t *testing.T, _ *site, a, b *hosts.Host, length time.Duration) {
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	ended := 0
	for range length / (50 * time.Millisecond) {
		<-every.C
		out, err := a.Command("ss", "-KHn", "dst", b.IP).CombinedOutput()
		require.NoError(t, err, string(out))
		ended += strings.Count(string(out), "\n")
	}
	require.Positive(t, ended)
	t.Logf("%d connections were ended", ended)
}

// loss drops one packet in a hundred that a host gets.
func loss(t *testing.T, c *site, control string, length time.Duration) {
	must := func(h *hosts.Host, stdin, name string, args ...string) string {
		t.Helper()
		cmd := h.Command(name, args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	for _, h := range c.Hosts {
		if control != "" { // of the connections that begin from now on: those there are end
			must(h, "", "sysctl", "-qw", "net.ipv4.tcp_congestion_control="+control)
			for _, other := range c.Hosts {
				must(h, "", "ss", "-KHn", "dst", other.IP)
			}
		}
		t.Logf("%s: congestion control %s", h.Name, must(h, "", "sysctl", "-n", "net.ipv4.tcp_congestion_control"))
		must(h, "table ip loss {\nchain input {\ntype filter hook input priority 0; policy accept;\nnumgen random mod 100 < 1 drop\n}\n}\n", "nft", "-f", "-")
	}
	<-time.After(length)
	for _, h := range c.Hosts {
		must(h, "", "nft", "delete", "table", "ip", "loss")
	}
}
