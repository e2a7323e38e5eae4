package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
	"github.com/tartrl/tlaunch-go/remote"
)

func TestCheckStartsNoNode(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		var said []Record
		report, err := troubleProgram.Check(within(t), trouble{Run: "fail"}, kind, OnRecord(func(r Record) { said = append(said, r) }))
		require.NoError(t, err)
		require.NoError(t, report.Err())
		require.Empty(t, said, "the node would have failed")
		for _, h := range report.Hosts {
			for _, c := range h.Checks {
				require.Equal(t, CheckOK, c.State, "%s of %s: %s", c.Name, h.Host, c.Problem)
			}
		}
	})
}

func TestCheckInProcess(t *testing.T) {
	report, err := unequalProgram.Check(within(t), 0)
	require.NoError(t, err)
	require.Equal(t, "test-unequal: 2 nodes in this process: there is nothing to reach\n", report.String())
}

func TestCheckGoesOnAfterAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		opt   Option
		check string
		want  string
	}{
		"a node more": {Env("TLAUNCH_TEST_UNEQUAL=node"), checkStart, "not the same in every process"},
		"an error":    {Env("TLAUNCH_TEST_UNEQUAL=error"), checkStart, "not today"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := unequalProgram.Check(within(t), 0, procs, c.opt)
			require.NoError(t, err)
			require.Len(t, report.Hosts, 2)
			for _, h := range report.Hosts {
				require.Equal(t, CheckOK, h.Checks[0].State)
				var failed Check
				for _, c := range h.Checks {
					if c.State == CheckFail {
						failed = c
					}
				}
				require.Equal(t, c.check, failed.Name)
				require.Contains(t, failed.Problem, c.want)
				require.NotContains(t, failed.Problem, "host "+h.Host+": ", "the line says it already")
			}
			require.Equal(t, StatusLaunch, ExitStatus(report.Err()))
			require.ErrorContains(t, report.Err(), "launching test-unequal: the check failed: 2 of 2 hosts, 0 of 0 pairs of hosts")
		})
	}
}

func TestCheckThatFailsBeforeTheHosts(t *testing.T) {
	ctx, cancel := context.WithCancelCause(within(t))
	why := errors.New("never mind")
	cancel(why)
	_, err := unequalProgram.Check(ctx, 0, procs)
	require.ErrorIs(t, err, why)
	require.Equal(t, StatusLaunch, ExitStatus(err))
	_, err = unequalProgram.Check(within(t), 0, SSH(nil))
	require.Equal(t, StatusUsage, ExitStatus(err))
}

func TestWhichCheckFailed(t *testing.T) {
	host := func(op string, err error) error { return &bootstrap.HostError{Host: "h", Op: op, Err: err} }
	for _, c := range []struct {
		err  error
		want string
	}{
		{host("connect", &sshconn.ReachError{}), checkReach},
		{host("connect", &sshconn.ConfigError{}), checkReach},
		{host("connect", &sshconn.HostKeyError{}), checkKey},
		{host("connect", &sshconn.AuthError{}), checkLogin},
		{host("ship", &ship.PlatformError{}), checkArch},
		{host("ship", &ship.DynamicError{}), checkArch},
		{host("ship", &ship.ScriptError{}), checkArch},
		{host("ship", fmt.Errorf("%w: go", ship.ErrNoSource)), checkArch},
		{host("ship", &ship.SpaceError{}), checkSpace},
		{host("ship", &ship.UnpackError{}), checkSpace},
		{host("start", bootstrap.ErrNoInit), checkStart},
		{host("register", os.ErrDeadlineExceeded), checkStart},
		{host(stepListen, syscall.EADDRINUSE), checkPorts},
		{&ProcessError{Host: "h"}, checkStart},
	} {
		require.Equal(t, c.want, failedCheck(c.err), "%v", c.err)
	}
}

func TestExplainObstacle(t *testing.T) {
	dial := func(err error) error {
		return fmt.Errorf("%w: h:1: %w", remote.ErrUnreachable, &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	for _, c := range []struct {
		err  error
		want obstacle
		text string
	}{
		{nil, obstacleNone, ""},
		{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), obstacleRefused, "connection refused"},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), obstacleNoRoute, "no route to host"},
		{dial(os.ErrDeadlineExceeded), obstacleSilence, "no answer within 4s"},
		{dial(&net.DNSError{Err: "no such host", Name: "h"}), obstacleOther, "lookup h: no such host"},
		{fmt.Errorf("%w: h:1: %w", remote.ErrUnreachable, fmt.Errorf("%w: %w", remote.ErrRefused, errors.New("not h"))), obstacleStranger, "not h"},
		{fmt.Errorf("%w: h:1: %w", remote.ErrUnreachable, errors.New("garbage")), obstacleMute, "garbage"},
	} {
		o, text := explainObstacle(c.err, 4*time.Second+10*time.Millisecond)
		require.Equal(t, c.want, o, "%v", c.err)
		require.Equal(t, c.text, text)
		require.NotEmpty(t, o.remedy("h"))
	}
}

func TestCheckReport(t *testing.T) {
	ssh := &settings{kind: overSSH}
	good, bad, cut := newHostCheck("good", ssh), newHostCheck("bad", ssh), newHostCheck("cut", ssh)
	for _, h := range []*HostCheck{&good, &cut} {
		h.CPUs, h.Memory = 8, 32e9
		h.pass(checkStart)
		for _, c := range judge(&hostFacts{Free: 500e9, OpenFiles: 512}, clockReading{Margin: time.Millisecond}, 1) {
			h.set(c)
		}
		h.set(Check{Name: checkArch, State: CheckOK, Value: "linux/arm64"})
		h.set(Check{Name: checkPorts, State: CheckOK, Value: "20000"})
	}
	bad.fail(checkKey, &bootstrap.HostError{Host: "bad", Op: "connect", Err: errors.New("another key"), Remedy: "look"})
	failed := []*PairError{{From: "good", To: "cut", Address: "c:1", Cause: "no answer", Remedy: "a firewall?"}}
	good.countPeers(2, 1, failed)
	cut.countPeers(1, 1, failed)
	r := &CheckReport{Program: "p", Nodes: 1, Hosts: []HostCheck{good, bad, cut}, Pairs: 2, Untried: 1, Unreached: failed}
	require.Equal(t, `HOST  REACH  HOST KEY  LOGIN  ARCH            SPACE      START  PORTS     CLOCK    FILES     PEERS     CPUS  MEMORY
good  ok     ok        ok     ok linux/arm64  ok 500 GB  ok     ok 20000  ok ±1ms  warn 512  FAIL 0/2  8     32 GB
bad   ok     FAIL      -      -               -          -      -         -        -         -         -     -
cut   ok     ok        ok     ok linux/arm64  ok 500 GB  ok     ok 20000  ok ±1ms  warn 512  FAIL 0/1  8     32 GB
warn: good, cut: files: it may have 512 files open, of which the run itself may need 50; raise the limit of its user: nofile in /etc/security/limits.conf, or LimitNOFILE= of its sshd; or that of -limit, where it is given
FAIL: bad: host key: another key; look
FAIL: good cannot reach cut at c:1: no answer; a firewall?
p: 1 node on 3 hosts, 2 pairs that must reach each other, 1 of them not tried
`, r.String())
	require.EqualError(t, r.Err(), "launching p: the check failed: 1 of 3 hosts, 1 of 2 pairs of hosts")
}
