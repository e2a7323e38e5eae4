//go:build linux && hosts

package clustertest

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/cluster"
	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
	consultest "github.com/tartrl/tlaunch-go/internal/testutil/consul"
	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// service launches program service on the first two hosts of the site, from this process.
func service(t *testing.T, c *site, more ...tlaunch.Option) *tlaunch.Run {
	t.Helper()
	inv, err := tlaunch.ReadInventory(c.inventory)
	require.NoError(t, err)
	inv.Hosts = inv.Hosts[:2]
	run, err := programs.Service.Launch(within(t, runPatience), struct{}{}, c.options(t, append(more, tlaunch.SSH(inv))...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, run.Stop(within(t, runPatience))) })
	return run
}

// guest runs testprog on a host, outside of any run, and returns its status and what it printed.
func guest(t *testing.T, h *hosts.Host, env []string, stdin string, args ...string) (status int, out string) {
	t.Helper()
	path := filepath.Join(h.Home, "testprog") // where it was built is hidden from hosts
	if _, err := os.Stat(path); err != nil {
		// By another process: a child that this one starts meanwhile, for a test beside this one, would have it open for writing, and then nobody may run it.
		require.NoError(t, exec.Command("install", "-m", "755", testprog(t), path).Run())
	}
	cmd := h.Command(path, args...)
	// Races of protoactor-go's own remoting are not ours.
	cmd.Env = append(cmd.Env, append(env, "GORACE=exitcode=0 log_path=/dev/null")...)
	cmd.Stdin = strings.NewReader(stdin)
	b, err := cmd.CombinedOutput()
	if _, ended := err.(*exec.ExitError); !ended { //nolint:errorlint // as exec documents it
		require.NoError(t, err)
	}
	t.Logf("guest %v on %s: %v\n%s", args, h.Name, cmd.ProcessState, b)
	return cmd.ProcessState.ExitCode(), string(b)
}

func invite(t *testing.T, run *tlaunch.Run, name string, ttl time.Duration) string {
	t.Helper()
	i, err := run.Invite(name, ttl)
	require.NoError(t, err)
	return string(i)
}

func TestGuests(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	consul := consultest.Start(t, consultest.Options{Bind: c.Gateway.String()})
	run := service(t, c, tlaunch.WithConsul(tlaunch.ConsulConfig{Settings: cluster.ConsulSettings{Address: consul.Address}}))
	outside := c.Hosts[2]

	once := invite(t, run, "visitor", time.Minute)
	status, out := guest(t, outside, nil, once, "join")
	require.Zero(t, status)
	require.Contains(t, out, "sum 5\nsum 10\n")

	t.Run("an invitation works once", func(t *testing.T) {
		status, out := guest(t, outside, nil, once, "join")
		require.Equal(t, 1, status)
		require.Contains(t, out, "used before, has expired, or is not of this run")
	})
	t.Run("an invitation expires", func(t *testing.T) {
		late := invite(t, run, "late", time.Nanosecond)
		status, out := guest(t, outside, nil, late, "join")
		require.Equal(t, 1, status)
		require.Contains(t, out, "has expired")
	})
	t.Run("addresses from Consul", func(t *testing.T) {
		status, out := guest(t, outside, []string{"CONSUL_HTTP_ADDR=" + consul.Address}, invite(t, run, "seeker", time.Minute), "join", "consul")
		require.Zero(t, status)
		require.Contains(t, out, "sum 15\nsum 20\n")
	})
	t.Run("a stock protoactor-go process", func(t *testing.T) {
		ledger, err := tlaunch.Find[*programs.Ledger](run, "ledger", 0)
		require.NoError(t, err)
		answering, err := tlaunch.Find[actor.PropsNode](run, "answering", 0)
		require.NoError(t, err)
		object, err := ledger.PID()
		require.NoError(t, err)
		props, err := answering.PID()
		require.NoError(t, err)
		order, err := json.Marshal(map[string]string{
			"Invitation": invite(t, run, "stock", time.Minute), "Listen": outside.IP,
			"LedgerHost": "host1", "LedgerKey": object.Id, "PropsHost": "host2", "PropsKey": props.Id,
		})
		require.NoError(t, err)
		status, out := guest(t, outside, nil, string(order), "stock")
		require.Zero(t, status)
		require.Contains(t, out, "ledger greets stock")
		require.Contains(t, out, "props answers stock")
		require.Contains(t, out, "asked: who are you")
	})
	require.NoError(t, run.Stop(within(t, runPatience)))
	c.requireClean(t)
	requireNothingInConsul(t, consul)
}

// A process of one run is refused by another run, and refuses it.
func TestCertificateOfAnotherRunIsRefused(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	one, other := service(t, c), service(t, c)
	grant := func(run *tlaunch.Run) *tlaunch.Grant {
		g, err := tlaunch.Redeem(within(t, runPatience), tlaunch.Invitation(invite(t, run, "guest", time.Minute)))
		require.NoError(t, err)
		return g
	}
	foreign, theirs := grant(one), grant(other)
	require.NotEqual(t, foreign.Members, theirs.Members)
	cfg, err := foreign.TLS()
	require.NoError(t, err)
	cfg.NextProtos = []string{"h2"}

	talk := func(address string, cfg *tls.Config) error {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: runPatience}, "tcp", address, cfg)
		if err != nil {
			return err
		}
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(runPatience)))
		// HTTP/2's preface and empty settings: an endpoint that let us in answers with its own. One that has refused us may have gone, and then its alert can still be read.
		_, _ = conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
		_, err = conn.Read(make([]byte, 1))
		return err
	}
	own, err := theirs.TLS()
	require.NoError(t, err)
	own.NextProtos = cfg.NextProtos
	for _, address := range theirs.Members {
		require.NoError(t, talk(address, own), "who has the run's own certificate is let in")
		require.Error(t, talk(address, cfg), "the guest of another run refuses this one")
		blind := cfg.Clone()
		blind.InsecureSkipVerify, blind.VerifyConnection, blind.VerifyPeerCertificate = true, nil, nil
		requireRefused(t, talk(address, blind)) // it does not refuse, and is refused
		anonymous := &tls.Config{InsecureSkipVerify: true, NextProtos: cfg.NextProtos}
		requireRefused(t, talk(address, anonymous)) // as is who has no certificate
	}
}

// requireRefused asserts that a connection was ended by the other side's TLS alert.
func requireRefused(t *testing.T, err error) {
	t.Helper()
	var refused *net.OpError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "remote error", refused.Op, "%v", err)
}
