//go:build linux && hosts

package bootstrap

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

// A warm start leaves the executable where it is, makes it count as used, and keeps its work folder beside it.
func TestWarmStart(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	h, cfg := remote(t, s, newMeter(t, s.Addr))
	p, _, err := launchRemote(t, cfg, h, "hello")
	require.NoError(t, err)
	succeeds(t, p)
	files, err := filepath.Glob(filepath.Join(s.Home, ".cache/tlaunch/*"))
	require.NoError(t, err)
	var exe string
	for _, f := range files {
		if filepath.Base(f) != "runs" {
			require.Empty(t, exe)
			exe = f
		}
	}
	before, err := os.Stat(exe)
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(exe, time.Now(), time.Now().Add(-2*time.Hour)))

	p, j, err := launchRemote(t, cfg, h, "wait")
	require.NoError(t, err)
	_, _, dir := j.ids(t)
	require.Equal(t, filepath.Join(s.Home, ".cache/tlaunch/runs"), filepath.Dir(dir))
	p.Terminate(time.Minute)
	await(t, p)
	after, err := os.Stat(exe)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.Less(t, time.Since(after.ModTime()), time.Hour, "it counts as used")

	// Others may have put something in its place where they may write.
	require.NoError(t, os.Chmod(filepath.Dir(exe), 0o770))
	p, _, err = launchRemote(t, cfg, h, "hello")
	require.NoError(t, err)
	succeeds(t, p)
	replaced, err := os.Stat(exe)
	require.NoError(t, err)
	require.False(t, os.SameFile(before, replaced), "it was sent anew")
	info, err := os.Stat(filepath.Dir(exe))
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|os.ModeSticky|0o700, info.Mode())
}

// A host that never does as it is told is given up, with what it printed.
func TestHostsThatPrintOnly(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"false":                  "exited with status 1",
		"echo not for you":       "not for you",
		"yes":                    "print without end",
		"cat /dev/zero":          "print without end",
		"cat /dev/zero >&2":      "print without end",
		"exec >&-; exec sleep 5": "POSIX sh",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := sshtest.Start(t, sshtest.Options{Config: []string{"ForceCommand " + command}})
			h, cfg := remote(t, s, newMeter(t, s.Addr))
			_, _, err := launchRemote(t, cfg, h, "hello")
			var failed *HostError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, "ship", failed.Op)
			var script *ship.ScriptError
			require.ErrorAs(t, err, &script)
			require.ErrorContains(t, err, want)
		})
	}
}
