//go:build linux && hosts

package topology

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// What the bench does on hosts that others have brought up, and what its lines are made of: other programs read them by these names.
func TestInventory(t *testing.T) {
	n := hosts.Up(t, 3)
	var out, errs bytes.Buffer
	drawn := filepath.Join(t.TempDir(), "times.svg")
	require.Zero(t, Command(t.Context(), []string{"-inventory", n.Inventory(t), "-ssh-config", n.Config, "-sizes", "1MiB", "-rounds", "1", "-ops", "broadcast",
		"-algorithms", "auto,chain", "-peers", "none", "-json", "-plot", drawn}, nil, &out, &errs), &errs)
	d := json.NewDecoder(&out)
	for _, algorithm := range []string{"auto", "chain"} {
		var line map[string]any
		require.NoError(t, d.Decode(&line))
		for key, want := range map[string]any{"bench": "topology", "op": "broadcast", "algorithm": algorithm, "hosts": 3.0, "size": 1048576.0, "tls": true, "wrong": 0.0} {
			require.Equal(t, want, line[key], key)
		}
		for _, key := range []string{"seconds", "min", "p95", "bound_seconds", "ratio_to_bound", "bus_bytes_per_second", "processor_seconds_per_gib"} {
			require.Positive(t, line[key], key)
		}
	}
	require.False(t, d.More())
	for _, said := range []string{"MTU ", "kernel ", "machine: ", "load averages: ", "tlaunch at ", "; go1."} {
		require.Contains(t, errs.String(), said)
	}
	picture, err := os.ReadFile(drawn)
	require.NoError(t, err)
	require.Contains(t, string(picture), ">broadcast, 3 hosts</text>")
}
