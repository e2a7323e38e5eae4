//go:build linux && hosts

package consultest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server whose ports another test's server has taken is not taken for that one, which answers in its place.
func TestServerOfAnotherTestIsNotOurs(t *testing.T) {
	t.Parallel()
	other := Start(t, Options{})
	config, err := os.ReadFile(other.config)
	require.NoError(t, err)
	dir := t.TempDir()
	s := &Server{Address: other.Address, binary: other.binary, node: "late", config: filepath.Join(dir, "config.json"), data: filepath.Join(dir, "data")}
	ours := strings.NewReplacer(other.node, s.node, other.data, s.data).Replace(string(config))
	require.NoError(t, os.WriteFile(s.config, []byte(ours), 0o600))
	defer s.Stop()
	require.False(t, s.run(t))
}
