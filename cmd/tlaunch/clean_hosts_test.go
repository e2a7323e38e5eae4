//go:build linux && hosts

package main

import (
	"crypto/rand"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// The hosts share their process table, so each sees what is left on any of them.
func TestCleanHosts(t *testing.T) {
	n := hosts.Up(t, 2, hosts.User("ada"))
	run, root := "cmd-"+rand.Text(), "root-"+rand.Text()
	ada := func(h *hosts.Host) {
		marked(t, run, h.Command("setpriv", "--reuid", "ada", "--regid", "ada", "--init-groups", "sh", "-c", "trap '' TERM; while :; do sleep 1000; done"))
	}
	ada(n.Hosts[0])
	marked(t, root, n.Hosts[0].Command("sleep", "1000"))
	clean := func(args ...string) (int, string, string) {
		return tlaunch(append([]string{"clean", "-hosts", n.Inventory(t), "-ssh-config", n.Config}, args...)...)
	}
	var status int
	var stdout, stderr string
	require.Eventually(t, func() bool { // they have become sleep
		status, stdout, stderr = clean("-run", run)
		return status == statusLeft
	}, patience, pause)
	require.Empty(t, stderr)
	require.Regexp(t, `host1 +`+run+`/host1/1 +\d+ +ada +\d+s +left +`, stdout)

	_, stdout, _ = clean("-run", root)
	require.Contains(t, stdout, "2 hosts: nothing is left", "a plain account does not see what is root's")

	n.Hosts[1].StopSSHD()
	status, stdout, stderr = clean("-run", run, "-kill")
	require.Equal(t, statusUnknown, status)
	require.Contains(t, stdout, "ended")
	require.Contains(t, stdout, "1 host not reached")
	require.Contains(t, stderr, "host2")
	require.Contains(t, stderr, "check the port", "what to do")
	n.Hosts[1].StartSSHD()
	status, stdout, _ = clean("-run", run)
	require.Equal(t, statusClean, status, stdout)
}

// Root sees what other users' runs have left, and leaves it alone.
func TestCleanLeavesOtherUsersAlone(t *testing.T) {
	n := hosts.Up(t, 1)
	run := "cmd-" + rand.Text()
	const nobody = "65534"
	left := marked(t, run, n.Hosts[0].Command("setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "sleep", "1000"))
	require.Eventually(t, func() bool {
		status, stdout, _ := tlaunch("clean", "-hosts", n.Inventory(t), "-ssh-config", n.Config, "-run", run, "-kill")
		return status == statusClean && strings.Contains(stdout, "another user's") && strings.Contains(stdout, "1 of other users")
	}, patience, pause)
	require.NoError(t, left.Process.Signal(syscall.Signal(0)))
}
