//go:build !race

package bootstrap

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/agent"
)

// resident returns the resident memory of a process in KiB.
func resident(t *testing.T, pid int) int {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			n, err := strconv.Atoi(fields[1])
			require.NoError(t, err)
			return n
		}
	}
	require.Fail(t, "no VmRSS")
	return 0
}

// An idle host, agent, init and worker together, stays well below the 40 MB that one with ten nodes may take. The race detector's
// own memory is several times that, so this file is not built with it.
func TestIdleMemory(t *testing.T) {
	p, j := launchLocal(t, Config{}, "memory")
	worker, supervisor, _ := j.ids(t)
	require.Eventually(t, func() bool {
		return resident(t, supervisor)+resident(t, parent(t, worker))+resident(t, worker) < 28<<10
	}, 5*agent.Settling, 50*time.Millisecond)
	p.Terminate(-1)
	await(t, p)
}
