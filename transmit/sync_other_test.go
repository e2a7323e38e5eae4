//go:build !windows

package transmit

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDirectoriesThatCannotBeSynchronised(t *testing.T) {
	for err, fails := range map[error]bool{
		nil: false, syscall.EINVAL: false, syscall.ENOTSUP: false, syscall.EIO: true, syscall.ENOSPC: true, os.ErrClosed: true,
	} {
		got := ignoreRefusal(err)
		if err != nil {
			got = ignoreRefusal(&fs.PathError{Op: "sync", Path: "/somewhere", Err: err})
		}
		require.Equal(t, fails, got != nil, fmt.Sprint(err))
	}
	require.NoError(t, syncDir(t.TempDir()))
	require.ErrorIs(t, syncDir(filepath.Join(t.TempDir(), "none")), os.ErrNotExist)
}
