//go:build linux && hosts

package clustertest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A node that is killed with the process it has for itself takes no other node of its host along.
func TestOwnProcessOnHosts(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	flags := append([]string{"fate", "-own", "-where", "host2"}, c.ssh()...)
	r := launch(t, nil, testprog(t), append(flags, "-how", "kill")...)
	require.Equal(t, 137, r.status)
	require.Contains(t, r.out, "first cause: the process of node victim/0 on host2 ended: killed by SIGKILL")
	require.Regexp(t, `guest/0@host2 +│ .*given notice`, r.out)
	c.requireClean(t)

	r = launch(t, nil, testprog(t), append(flags, "-how", "return")...)
	require.Zero(t, r.status)
	require.Regexp(t, `victim/0@host2 +│ .*fate how=return`, r.out)
	c.requireClean(t)
}
