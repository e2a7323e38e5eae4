package hold

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// headless makes a process end its first thread, and no other.
const headless = "TLAUNCH_TEST_HEADLESS"

func init() { // which runs on the first thread
	if os.Getenv(headless) != "" {
		_, _, _ = syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
	}
}

// A process without its first thread shows as a zombie, and is killed like any other.
func TestKillDescendantsWithoutTheirFirstThread(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = []string{headless + "=1"}
	require.NoError(t, cmd.Start())
	pid := cmd.Process.Pid
	require.NoError(t, cmd.Process.Release()) // it is waited for by what is tested
	t.Cleanup(func() {
		if t.Failed() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		p, ok := ParseStat(stat)
		return err == nil && ok && p.Zombie
	}, time.Minute, time.Millisecond)
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	require.NoError(t, err)
	require.Greater(t, len(threads), 1, "it lives on")
	require.Zero(t, KillDescendants(0))
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}
