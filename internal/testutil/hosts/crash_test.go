//go:build linux && hosts

package hosts_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// crashEnv makes the test binary bring up hosts and kill itself.
const crashEnv = "TLAUNCH_HOSTS_CRASH"

// traces is what a killed test tells about what it leaves behind.
type traces struct {
	Dir     string
	Sleeper int
}

// crash is run as a benchmark because that gives it a testing.TB outside of a test.
func crash(b *testing.B) {
	h := hosts.Up(b, 2).Hosts[0]
	out, err := h.Command("sh", "-c", "touch ~/mark; setsid sleep 4242 >/dev/null 2>&1 & echo $!").Output()
	require.NoError(b, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	require.NoError(b, err)
	require.NoError(b, json.NewEncoder(os.Stdout).Encode(traces{filepath.Join(h.Home, "mark"), pid}))
	require.NoError(b, syscall.Kill(os.Getpid(), syscall.SIGKILL))
}

func TestLeftOversOfAKilledTestAreRemoved(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), crashEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	exit := new(exec.ExitError)
	require.ErrorAs(t, err, &exit)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)
	var left traces
	require.NoError(t, json.Unmarshal(out, &left), "%s", out)

	// Another test binary's Up may have been faster than this one: then all is gone already, or is just being removed.
	hosts.Up(t, 1)
	require.Eventually(t, func() bool {
		_, gone := os.Stat(left.Dir)
		cmdline, _ := os.ReadFile("/proc/" + strconv.Itoa(left.Sleeper) + "/cmdline") // of a zombie, which only its parent can remove, or a new process of the same number
		return errors.Is(gone, os.ErrNotExist) && !strings.Contains(string(cmdline), "sleep")
	}, time.Minute, 10*time.Millisecond)
}
