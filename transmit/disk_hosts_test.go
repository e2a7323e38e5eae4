//go:build linux && hosts

package transmit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// On a disk that is full, and on one that cannot be written, the node goes on and what was saved stays.
func TestFullDisks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	c, log := saved(filepath.Join(dir, "checkpoints"), Table{Name: "t"})
	n := alone(t, c)
	require.NoError(t, put(n, "t", 0, 100))
	_, err := n.Checkpoint(t.Context())
	require.NoError(t, err)
	require.NoError(t, put(n, "t", 100, 60_000))
	for range 3 {
		_, err = n.Checkpoint(t.Context())
		require.ErrorIs(t, err, unix.ENOSPC)
	}
	require.Contains(t, log.String(), "what was saved before is as it was")
	entries, err := os.ReadDir(c.Checkpoints.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "nothing is left of what did not fit")
	require.Len(t, content(t, n, "t"), 60_000, "the node has what it had")
	crash(n)
	require.Equal(t, count(0, 100), restored(t, c, "t"))

	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err = n.Checkpoint(t.Context())
	require.ErrorIs(t, err, unix.EROFS)
	require.ErrorIs(t, NewNode(c).Start(t.Context()), ErrDirectory)
}
