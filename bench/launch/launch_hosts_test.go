//go:build linux && hosts

package launch

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// build builds the command as it is measured: the test's own executable is three times as large, and slow under the race detector.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

func TestOnHosts(t *testing.T) {
	exe := build(t)
	t.Run("hosts that are brought up", func(t *testing.T) { testMeasure(t, exe) })
	t.Run("inventory and caches", func(t *testing.T) { testInventoryAndCaches(t, exe) })
}

func testMeasure(t *testing.T, exe string) {
	profiles := t.TempDir()
	var out, errs bytes.Buffer
	err := measure(t.Context(), config{hosts: 2, rounds: 1, modes: []string{warm, cold}, profiles: profiles, binary: exe}, &out, &errs)
	require.NoError(t, err, "%s", errs.String())
	table := out.String()
	require.Contains(t, table, "warm  tlaunch, all nodes running  ecdh-sha2-nistp256  ")
	require.Contains(t, table, "cold  tlaunch, all nodes running  ecdh-sha2-nistp256  ")
	own := lineWith(t, table, "cold: ")
	require.NotContains(t, own, "sent 0.0 MB", "a cold launch ships")
	require.NotContains(t, own, figures.Unknown)
	for _, name := range []string{"warm-0.pprof", "warm-1.pprof", "cold-0.pprof", "cold-1.pprof"} {
		require.FileExists(t, filepath.Join(profiles, name))
	}
}

// A warm launch must find what an earlier one shipped, and emptying must remove it: else both modes measure the same.
func testInventoryAndCaches(t *testing.T, exe string) {
	n := hosts.Up(t, 1)
	cfg := config{inventory: n.Inventory(t), sshConfig: n.Config, rounds: 1, modes: []string{warm}, binary: exe}
	var out, errs bytes.Buffer
	require.NoError(t, measure(t.Context(), cfg, &out, &errs), "%s", errs.String())

	shipped, static, err := examine(exe)
	require.NoError(t, err)
	require.True(t, static)
	cached := filepath.Join(n.Hosts[0].Home, ".cache/tlaunch", shipped.hash)
	copied := filepath.Join(n.Hosts[0].Home, copyName)
	require.FileExists(t, cached)
	require.NoError(t, os.WriteFile(copied, nil, 0o600))
	f, err := openField(cfg)
	require.NoError(t, err)
	require.NoError(t, f.empty(t.Context(), shipped.hash))
	require.NoFileExists(t, cached)
	require.NoFileExists(t, copied)
	require.NoError(t, f.close())

	require.Equal(t, preferred, keyExchange(t.Context(), []string{"-F", n.Config, "-o", "KexAlgorithms=" + preferred}, "host1"))
}

func lineWith(t *testing.T, text, prefix string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	t.Fatalf("no line begins with %q in\n%s", prefix, text)
	return ""
}
