//go:build linux && hosts

package ship

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnterScript(t *testing.T) {
	const hash = "0123456789abcdef"
	platform := runtime.GOOS + "/" + runtime.GOARCH
	for _, sh := range []string{"dash", "bash", "zsh"} {
		t.Run(sh, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "it's $HOME; home")
			cache := filepath.Join(home, ".cache/tlaunch")
			require.NoError(t, os.MkdirAll(cache, 0o700))
			closed := func() { require.NoError(t, os.Chmod(cache, 0o700|os.ModeSticky)) }
			closed()
			enter := func(wanted ...Wanted) string {
				cmd := exec.Command(sh, "-c", EnterScript("A=b", wanted), "mark-", "one", "two words")
				cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "SSH_CONNECTION=10.0.0.1 4711 10.0.0.2 22"}
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", out)
				return strings.ReplaceAll(string(out), fmt.Sprint(cmd.Process.Pid), "PID")
			}
			const none = "mark-none\n"
			require.Equal(t, none, enter())
			require.Equal(t, none, enter(Wanted{platform, hash}))

			file := filepath.Join(cache, hash)
			require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\necho $$ $A \"$#\" \"$2\"\n"), 0o700))
			entered := "mark-PID;10.0.0.1 4711 10.0.0.2 22;" + file + "\nPID b 2 two words\n"
			require.Equal(t, entered, enter(Wanted{platform, hash}))
			require.Equal(t, entered, enter(Wanted{"linux/riscv64", "ff"}, Wanted{platform, hash}))
			require.Equal(t, none, enter(Wanted{"linux/riscv64", hash}), "not for this host")
			require.Equal(t, none, enter(Wanted{platform, "ff"}))

			require.NoError(t, os.Chmod(cache, 0o770))
			require.Equal(t, none, enter(Wanted{platform, hash}), "others may replace it")
			closed()
			require.NoError(t, os.Chown(file, 12345, 12345))
			require.Equal(t, none, enter(Wanted{platform, hash}), "it is somebody else's")
			require.NoError(t, os.Chown(file, 0, 0))
			require.NoError(t, os.Chmod(file, 0o700))
			require.NoError(t, os.Chown(cache, 12345, 12345))
			require.Equal(t, none, enter(Wanted{platform, hash}), "the folder is somebody else's")
			require.NoError(t, os.Chown(cache, 0, 0))
			closed()
			require.NoError(t, os.Rename(cache, cache+"-real"))
			require.NoError(t, os.Symlink(cache+"-real", cache))
			require.Equal(t, none, enter(Wanted{platform, hash}), "the folder is a link")
			require.NoError(t, os.Remove(cache))
			require.NoError(t, os.Rename(cache+"-real", cache))
			require.Equal(t, entered, enter(Wanted{platform, hash}))
			require.NoError(t, os.Chmod(file, 0o600))
			require.Equal(t, none, enter(Wanted{platform, hash}))
		})
	}
}
