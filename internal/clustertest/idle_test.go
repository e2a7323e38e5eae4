//go:build linux && hosts

package clustertest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// resident is the memory of the run's processes on a host, in KiB, and a line that names each.
func resident(t *testing.T, h *hosts.Host) (sum int, each string) {
	t.Helper()
	for _, p := range ofRun(h) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
		require.NoError(t, err)
		_, after, found := bytes.Cut(status, []byte("VmRSS:"))
		require.True(t, found)
		kib, err := strconv.Atoi(strings.Fields(string(after))[0])
		require.NoError(t, err)
		sum += kib
		each += fmt.Sprintf(" %.1f", float64(kib)/1024)
	}
	return sum, each
}

// A host's agent and worker with ten idle nodes have at most 40 MB resident, as the binary that users build.
func TestIdleHostIsSmall(t *testing.T) {
	t.Parallel()
	c := upCold(t, 3)
	l := start(t, nil, build(t, "internal/clustertest/testprog", false), append([]string{"idle", "-per-host", "10"}, c.ssh()...)...)
	l.await("hosts are up")
	const limit = 40_000_000 / 1024 // KiB
	for _, h := range c.Hosts {
		eventually(t, runPatience, func() []string {
			if sum, each := resident(t, h); sum == 0 || sum > limit {
				return []string{fmt.Sprintf("%s: %d KiB:%s MiB", h.Name, sum, each)}
			}
			return nil
		})
		sum, each := resident(t, h)
		t.Logf("%s: %.1f MiB resident, process by process%s", h.Name, float64(sum)/1024, each)
	}
	l.signal(syscall.SIGTERM)
	require.Equal(t, 143, l.wait().status)
	c.requireClean(t)
}
