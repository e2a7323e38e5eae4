package bootstrap

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// shipment makes a folder "data" and returns it and what of it is to arrive.
func shipment(t *testing.T) (dir string, want []string) {
	dir = filepath.Join(t.TempDir(), "data")
	for name, mode := range map[string]os.FileMode{
		"a/run.sh": 0o755, "a/model": 0o600, ".git/config": 0o600, "a/.venv/lib": 0o600, "skipped.tmp": 0o600,
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(name), mode))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".tlaunchignore"), []byte("*.tmp\n"), 0o600))
	require.NoError(t, os.Symlink("a/model", filepath.Join(dir, "latest")))
	return dir, []string{"-rw-r--r-- data/a/model", "-rwxr-xr-x data/a/run.sh", "Lrwxrwxrwx data/latest"}
}

func TestShipLocal(t *testing.T) {
	t.Parallel()
	dir, want := shipment(t)
	p, j := launchLocal(t, Config{Ship: []string{dir}}, "files")
	succeeds(t, p)
	require.Equal(t, want, j.texts(Stdout))
}

func TestShipErrors(t *testing.T) {
	t.Parallel()
	a, _ := shipment(t)
	b, _ := shipment(t)
	_, _, err := tryLaunch(t, Config{Ship: []string{a, b}}, "files")
	require.ErrorContains(t, err, "both are called data")
	var failed *HostError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "ship", failed.Op)
}
