//go:build linux && hosts

package ship

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

func TestPutDir(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	dir := tree(t, map[string]string{
		"a.txt": "A", "sub/b c.txt": "B", "sub/link": "-> ../a.txt", ".git/config": "x", "sub/.venv/x": "x", ".tlaunchignore": "*.log\n/build/\n", "x.log": "x",
		"sub/y.log": "x", "build/o": "x", "sub/build/kept": "K",
	})
	require.NoError(t, os.Chmod(filepath.Join(dir, "a.txt"), 0o755))
	d, err := OpenDir(dir)
	require.NoError(t, err)
	require.Equal(t, 4, d.Files)

	p := probe(t, c)
	calls := 0
	progress := func(int64, int64) { calls++ }
	require.NoError(t, PutDir(t.Context(), c, p, d, "work/run 1", progress))
	require.NotZero(t, calls)
	at := output(t, c, "cd && pwd")
	at = filepath.Join(strings.TrimSpace(at), "work/run 1")
	require.Equal(t, "A", output(t, c, "cat '"+at+"/sub/link'"))
	var names []string
	require.NoError(t, filepath.WalkDir(at, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(at, path)
			names = append(names, rel)
		}
		return err
	}))
	require.Equal(t, []string{"a.txt", "sub/b c.txt", "sub/build/kept", "sub/link"}, names)
	info, err := os.Stat(filepath.Join(at, "a.txt"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100)

	require.NoError(t, os.Chtimes(filepath.Join(dir, "a.txt"), time.Now(), time.Now().Add(time.Hour)))
	same, err := OpenDir(dir)
	require.NoError(t, err)
	require.Equal(t, d.SHA256, same.SHA256, "times do not count")
	calls = 0
	require.NoError(t, PutDir(t.Context(), c, p, same, s.Home+"/second", progress))
	require.Zero(t, calls, "the host has it")
	require.FileExists(t, s.Home+"/second/a.txt")

	err = PutDir(t.Context(), c, p, same, "/dev/null/x", nil)
	var unpack *UnpackError
	require.ErrorAs(t, err, &unpack)
	require.Equal(t, "/dev/null/x", unpack.Dir)
	require.NotEmpty(t, unpack.Output)
}
