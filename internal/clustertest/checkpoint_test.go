//go:build linux && hosts

package clustertest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A host with a transmit node is killed: its next process restores what was saved. The depositor
// itself holds the node to it; see package programs.
func TestTablesOutliveTheirHost(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	dir := filepath.Join(t.TempDir(), "checkpoints")
	vault := append([]string{"vault", "-dir", dir}, c.ssh()...)
	l := start(t, nil, testprog(t), vault...)
	l.await("saved items=1000")
	killRun(t, c.Hosts[1])
	r := l.wait()
	require.Equal(t, 0, r.status, r.out)
	require.Contains(t, r.out, "restored tables from a checkpoint")
	require.Contains(t, r.out, "all that was saved is there")

	other := launch(t, nil, testprog(t), append([]string{"vault", "-dir", filepath.Dir(dir)}, c.ssh()...)...)
	require.NotZero(t, other.status)
	require.Contains(t, other.out, "has files of another program, such as checkpoints")
	c.requireCleanWithin(t, allGone)
}
