//go:build linux && hosts

package clustertest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consultest "github.com/tartrl/tlaunch-go/internal/testutil/consul"
	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// routePatience is within what hosts that cannot reach each other are named once all are registered: a launch takes less than two
// seconds until then, so that they are named within ten. A test machine may be busy, and ship an executable of 40 MB first.
var routePatience = func() time.Duration {
	if raceEnabled {
		return 20 * time.Second
	}
	return 8 * time.Second
}()

// untilNamed lets a launch fail, and returns how it ended and how long that took since the hosts were registered.
func untilNamed(t *testing.T, c *site, args []string) (result, time.Duration) {
	t.Helper()
	l := start(t, nil, testprog(t), args...)
	var registered []string
	for _, h := range c.Hosts {
		registered = append(registered, h.Name+": registered")
	}
	l.await(registered...)
	began := time.Now()
	r := l.wait()
	return r, time.Since(began)
}

func ring(c *site, more ...string) []string {
	return append(append([]string{"ring", "-rounds", "1", "-marker", "x"}, c.ssh()...), more...)
}

// row is the line of a table that begins with a host's name.
func row(s, host string) string {
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, host+" ") {
			return line
		}
	}
	return ""
}

func TestCheckOfGoodHosts(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	r := launch(t, nil, testprog(t), ring(c, "-check", "-ports", "21000-21009")...)
	require.Zero(t, r.status)
	require.Contains(t, r.out, "HOST   REACH  HOST KEY  LOGIN")
	for _, h := range []string{"host1", "host2", "host3"} {
		line := row(r.out, h)
		require.Equal(t, 10, strings.Count(line, "ok"), "what is said of %s", h)
		require.Contains(t, line, "ok 21000")
		require.Contains(t, line, "ok 2/2")
	}
	require.Contains(t, r.out, "3 nodes on 3 hosts, 3 pairs that must reach each other")
	require.NotContains(t, r.out, "ring bytes", "no node has started")
	c.requireClean(t)
}

// The check goes on after a failure, and says of each host how far it came.
func TestCheckOfHostsThatFail(t *testing.T) {
	t.Parallel()
	c := upCold(t, 7)
	c.spoil()
	r := launch(t, nil, testprog(t), ring(c, "-check")...)
	require.Equal(t, 3, r.status)
	require.Contains(t, r.out, "the check failed: 7 of 8 hosts, 0 of 8 pairs")
	for host, failed := range map[string]struct {
		check  string
		passed int
		want   string
	}{
		"host2": {"reach", 0, "check the port, and that sshd runs"},
		"host3": {"login", 2, "authorized_keys"},
		"host4": {"host key", 1, "ssh-keygen -f"},
		"host5": {"space", 4, "programs cannot run there"},
		"host6": {"space", 4, "make room"},
		"host7": {"arch", 3, "-binary"},
		"ghost": {"reach", 0, "check the network"},
	} {
		require.Contains(t, lineWith(r.out, "FAIL: "+host+": "+failed.check+": "), failed.want)
		fields := strings.Fields(row(r.out, host))
		require.Len(t, fields, 13, "what is said of %s", host)
		for i, f := range fields[1:] {
			switch {
			case i < failed.passed:
				require.Equal(t, "ok", f, "%v", fields)
			case i == failed.passed:
				require.Equal(t, "FAIL", f, "%v", fields)
			default:
				require.Equal(t, "-", f, "%v", fields)
			}
		}
	}
	require.Contains(t, row(r.out, "host1"), "- 0/2", "its peers have failed")
	c.requireClean(t)
}

// A route that drops packets between two hosts, which the launcher itself does not need, is named by launch and check.
func TestDroppedRouteIsNamed(t *testing.T) {
	t.Parallel()
	c := up(t, 4)
	c.Hosts[1].Drop(c.Hosts[2])
	for name, run := range map[string]func(t *testing.T) result{
		"launch": func(t *testing.T) result {
			r, took := untilNamed(t, c, ring(c))
			require.Less(t, took, routePatience)
			return r
		},
		"check": func(t *testing.T) result { return launch(t, nil, testprog(t), ring(c, "-check")...) },
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t)
			require.Equal(t, 3, r.status)
			line := lineWith(r.out, "cannot reach host3")
			require.Contains(t, line, "host2 cannot reach host3 at "+c.Hosts[2].IP+":")
			require.Contains(t, line, "no answer within 4s")
			require.Contains(t, line, "set data= of host3 in the inventory")
			require.Equal(t, 1, strings.Count(r.out, "cannot reach host"), "the other pairs are well")
			require.NotContains(t, r.out, "ring bytes", "no node has started")
			c.requireClean(t)
		})
	}
}

// A host that none of the others reaches is one line.
func TestHostThatNobodyReaches(t *testing.T) {
	t.Parallel()
	c := up(t, 4)
	for i := range 3 {
		c.Hosts[3].Drop(c.Hosts[i])
	}
	r, took := untilNamed(t, c, append([]string{"mesh"}, c.ssh()...))
	require.Less(t, took, routePatience)
	require.Equal(t, 3, r.status)
	require.Contains(t, r.out, "3 of 6 pairs of hosts that the program's refs need cannot reach each other")
	require.Contains(t, r.out, fmt.Sprintf("host1, host2, host3 cannot reach host4 at %s:", c.Hosts[3].IP))
	c.requireClean(t)
}

// What answers at a data address must be that host in this run.
func TestWrongDataAddress(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	other, err := net.Listen("tcp", net.JoinHostPort(c.Gateway.String(), "21000"))
	require.NoError(t, err)
	served := make(chan struct{})
	go func() { // some other service; ends with its listener
		defer close(served)
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 mail\r\n"))
			_ = conn.Close()
		}
	}()
	defer func() {
		require.NoError(t, other.Close())
		<-served
	}()
	nobody := strings.TrimSuffix(c.Gateway.String(), "254") + "250"
	inventory := read(t, c.inventory)
	// Where ports are given, all listen at one, so that somebody answers at the wrong address.
	one := []string{"-ports", "21000-21000"}
	for name, b := range map[string]struct {
		data  string
		ports []string
		want  []string
	}{
		"another host, at its very port": {c.Hosts[0].IP, one, []string{"FAIL: host2: ports:", "host1 too", "correct data="}},
		"another host":                   {c.Hosts[0].IP, nil, []string{"connection refused", "address of another machine?", "set data= of host2"}},
		"another service":                {c.Gateway.String(), one, []string{"cannot reach host2 at " + c.Gateway.String() + ":21000", "does not speak as host2 would"}},
		"nobody":                         {nobody, one, []string{"cannot reach host2 at " + nobody + ":21000", "no route"}},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			for line := range strings.Lines(inventory) {
				if strings.HasPrefix(line, "host2") {
					line = strings.TrimRight(line, "\n") + " data=" + b.data + "\n"
				}
				text.WriteString(line)
			}
			overwrite(t, c.inventory, text.String())
			r := launch(t, nil, testprog(t), append(append([]string{"star"}, c.ssh()...), append(b.ports, "-check")...)...)
			require.Equal(t, 3, r.status)
			for _, s := range b.want {
				require.Contains(t, r.out, s)
			}
			c.requireClean(t)
		})
	}
}

// A check leaves nothing in Consul either.
func TestCheckWithConsul(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	server := consultest.Start(t, consultest.Options{Bind: c.Gateway.String()})
	r := launch(t, []string{"CONSUL_HTTP_ADDR=" + server.Address}, testprog(t), ring(c, "-check", "-registry", "consul")...)
	require.Zero(t, r.status)
	require.Contains(t, row(r.out, "host2"), "ok 1/1")
	c.requireClean(t)
	requireNothingInConsul(t, server)
}

func TestFewOpenFiles(t *testing.T) {
	t.Parallel()
	c := up(t, 2, hosts.LoginShell("/bin/bash"))
	limit := func(n int) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(c.Hosts[1].Home, ".bashrc"), fmt.Appendf(nil, "ulimit -n %d\n", n), 0o644))
	}
	limit(512)
	r := launch(t, nil, testprog(t), ring(c)...)
	require.Zero(t, r.status)
	require.Contains(t, lineWith(r.out, "these hosts may meet trouble"), "host2 (512)")
	limit(40)
	r = launch(t, nil, testprog(t), ring(c)...)
	require.Equal(t, 3, r.status)
	require.Contains(t, lineWith(r.out, "host host2: "), "LimitNOFILE=")
	c.requireClean(t)
}
