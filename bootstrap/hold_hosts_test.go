//go:build linux && hosts

package bootstrap

import (
	"context"
	"crypto/rand"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// launchOn starts a family on a host of a net.
func launchOn(t *testing.T, n *hosts.Net, cfg Config) (*Process, family) {
	cfg.SSH = &sshconn.Config{ConfigFile: n.Config}
	p, j, err := launchRemote(t, cfg, inventory.Host{Name: "host1", Slots: 1}, "ignore")
	require.NoError(t, err)
	var f family
	f.worker, f.agent, f.dir = j.ids(t)
	f.init = parent(t, f.worker)
	f.child, f.grandchild = asleep(t, j.number(t, "child")), asleep(t, j.number(t, "grandchild"))
	return p, f
}

// Accounts of all kinds, however their host holds processes: what is killed leaves nothing behind.
func TestNothingIsLeftOnHosts(t *testing.T) {
	for name, c := range map[string]struct {
		user, setting, held string
		all                 bool // agent, init and worker may be killed together
	}{
		"root":                          {user: "root", held: "PID namespace", all: true},
		"root, off":                     {user: "root", setting: talk.NamespacesOff, held: "two subreapers and marks"},
		"plain account":                 {user: "ada", held: "two subreapers and marks"},
		"plain account, user namespace": {user: "ada", setting: talk.NamespacesUser, held: "PID namespace, in a user namespace", all: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := []hosts.Option{hosts.User(c.user)}
			if c.setting != "" {
				opts = append(opts, hosts.SSHDConfig("SetEnv "+talk.NamespaceVariable+"="+c.setting))
			}
			n := hosts.Up(t, 1, opts...)
			victims := map[string]func(f family) []int{
				"agent and worker": func(f family) []int { return []int{f.agent, f.worker} },
				"session, for good": func(f family) []int {
					n.Hosts[0].StopSSHD()
					return []int{parent(t, f.agent)}
				},
			}
			if c.all {
				victims["agent, init and worker"] = func(f family) []int { return []int{f.agent, f.init, f.worker} }
			}
			for victim, pids := range victims {
				t.Run(victim, func(t *testing.T) {
					p, f := launchOn(t, n, Config{Run: "far away"})
					require.Equal(t, c.held, p.report.Held)
					uid := statusField(t, strconv.Itoa(f.worker), "Uid:")[0]
					require.Equal(t, c.user == "root", uid == "0")
					require.Equal(t, "0000000000000000", statusField(t, strconv.Itoa(f.worker), "CapAmb:")[0])
					require.Equal(t, c.user == "root", statusField(t, strconv.Itoa(f.worker), "CapEff:")[0] != "0000000000000000")
					environ, err := os.ReadFile("/proc/" + strconv.Itoa(f.grandchild) + "/environ")
					require.NoError(t, err)
					require.Contains(t, string(environ), talk.MarkVariable+"=far_away/host1/1\x00")
					for _, pid := range pids(f) {
						_ = syscall.Kill(pid, syscall.SIGKILL) // it may have gone with the one before
					}
					gone(t, patience, f.worker, f.init, f.agent, f.child, f.grandchild)
					require.True(t, await(t, p).Lost)
					n.Hosts[0].StartSSHD()
				})
			}
		})
	}
}

// What outlives agent and init, which two subreapers cannot prevent, is found and ended over SSH.
func TestCleanOverSSH(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1, hosts.User("ada"))
	run := "far " + rand.Text()
	p, f := launchOn(t, n, Config{Run: run})
	_, beside := launchOn(t, n, Config{Run: "beside " + rand.Text()})
	orphan(t, p, f)

	l, err := NewLauncher(Config{SSH: &sshconn.Config{ConfigFile: n.Config}})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close(context.Background())) }()
	for _, end := range []bool{false, true} {
		found, err := l.Clean(t.Context(), inventory.Host{Name: "host1", Slots: 1}, CleanOptions{Run: run, End: end})
		require.NoError(t, err)
		require.Len(t, found.Found, 2)
		for _, left := range found.Found {
			require.Equal(t, end, left.Ended, left)
			require.Equal(t, NewMark(run, "host1", 1), left.Mark)
			require.Equal(t, "ada", left.User)
			require.Contains(t, []int{f.child, f.grandchild}, left.PID)
		}
	}
	gone(t, patience, f.child, f.grandchild)
	require.True(t, alive(beside.worker))
	require.True(t, alive(beside.child))
	require.DirExists(t, beside.dir)
}
