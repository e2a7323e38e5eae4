//go:build linux && hosts

package clustertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// sshdDefaults are what sshd takes where its configuration says nothing: of more than ten connections that have not logged in it
// turns some away, and it gives a connection ten sessions.
var sshdDefaults = hosts.SSHDConfig("MaxStartups 10:30:100", "MaxSessions 10")

// 32 hosts are launched on with the defaults of sshd everywhere, behind a jump host and without: once cold, once warm. The program is built
// without the race detector, under which so many processes, and an executable that is compressed for those behind the jump host, take minutes.
func TestManyHostsWithDefaultsOfSSHD(t *testing.T) {
	const n = 32
	program := build(t, "internal/clustertest/testprog", false)
	c := upCold(t, n+1, sshdDefaults)
	gate, direct := c.Hosts[0], read(t, c.Config)
	var behind []string
	var inventory strings.Builder
	for _, h := range c.Hosts[1:] {
		behind = append(behind, h.Name)
		fmt.Fprintln(&inventory, h.Name)
	}
	overwrite(t, c.inventory, inventory.String())
	run := func(t *testing.T) {
		for range 2 {
			r := launch(t, nil, program, append([]string{"star"}, c.ssh()...)...)
			require.Zero(t, r.status)
			require.Contains(t, r.out, fmt.Sprintf("%d hosts are up", n))
			c.requireCleanWithin(t, allGone) // so many processes on one machine may fall silent: an agent whose link is being replaced as the launcher ends follows with its lease
		}
	}
	t.Run("direct", func(t *testing.T) {
		run(t)
		require.NotContains(t, gate.SSHDLog(), "Accepted")
	})
	t.Run("one host by 32 names", func(t *testing.T) { // here sshd does turn some away
		var names strings.Builder
		for i := range n {
			fmt.Fprintf(&names, "name%d root@%s\n", i, c.Hosts[1].IP)
		}
		overwrite(t, c.inventory, names.String())
		run(t)
		overwrite(t, c.inventory, inventory.String())
	})
	for _, h := range c.Hosts[1:] { // as if it had never run there
		out, err := h.Command("rm", "-rf", h.Home+"/.cache/tlaunch").CombinedOutput()
		require.NoError(t, err, string(out))
		h.DropGateway()
	}
	overwrite(t, c.Config, "Host "+strings.Join(behind, " ")+"\n  ProxyJump host1\n"+direct)
	t.Run("behind a jump host", func(t *testing.T) {
		run(t)
		require.Equal(t, 2, strings.Count(gate.SSHDLog(), "Accepted"), "each launch has one connection to the jump host")
	})
}
