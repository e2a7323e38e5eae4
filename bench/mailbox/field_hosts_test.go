//go:build linux && hosts

package mailbox

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// Between hosts, over a link that the transfer fills: a value that takes a quarter of a second.
func TestTransferBetweenHosts(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	k := contest{transfer, 32 << 20, false, bound, microseconds, []target{{p99, 1, true}, {growth, 1, true}}}
	require.Empty(t, k.cannot())
	var said output.Buffer // two processes write to it
	b, err := newBout(k, config{rounds: 1, duration: 10 * time.Millisecond}, exe, &said)
	require.NoError(t, err)
	require.NoError(t, b.run(t.Context()), said.String())
	require.Len(t, b.rows(), 2)
}
