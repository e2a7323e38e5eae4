package bootstrap

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/sshtest"
	"github.com/tartrl/tlaunch-go/bootstrap/ship"
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
	require.True(t, await(t, p).Success())
	require.Equal(t, want, j.texts(Stdout))
}

func TestShipOverSSH(t *testing.T) {
	t.Parallel()
	dir, want := shipment(t)
	s := sshtest.Start(t, sshtest.Options{})
	h, cfg := remote(t, s, newMeter(t, s.Addr))
	cfg.Ship = []string{dir}
	for range 2 { // cold, and from the host's cache
		p, j, err := launchRemote(t, cfg, h, "files")
		require.NoError(t, err)
		require.True(t, await(t, p).Success())
		require.Equal(t, want, j.texts(Stdout))
	}
	require.Empty(t, leftovers(t, s.Home))
}

func TestShipErrors(t *testing.T) {
	t.Parallel()
	a, _ := shipment(t)
	b, _ := shipment(t)
	_, _, err := tryLaunch(t, Config{Ship: []string{a, b}}, "files")
	require.ErrorContains(t, err, "both are called data")
	_, _, err = tryLaunch(t, Config{Ship: []string{"/nonexistent"}}, "files")
	require.ErrorIs(t, err, os.ErrNotExist)
	var failed *HostError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "ship", failed.Op)
}

// A host of another kind is found out before anything is sent.
func TestOtherPlatform(t *testing.T) {
	t.Parallel()
	fake := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(fake, "uname"), []byte("#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo riscv64\n"), 0o700))
	s := sshtest.Start(t, sshtest.Options{Shell: "env PATH=" + fake + ":/usr/bin:/bin /bin/sh"})
	m := newMeter(t, s.Addr)
	h, cfg := remote(t, s, m)
	_, _, err := launchRemote(t, cfg, h, "hello")
	require.ErrorIs(t, err, ship.ErrNoSource) // a test is no program that go build could build
	require.ErrorContains(t, err, "-binary linux/riscv64=PATH")

	own, err := os.Executable()
	require.NoError(t, err)
	cfg.Binary = map[string]string{"linux/riscv64": own}
	_, _, err = launchRemote(t, cfg, h, "hello")
	var platform *ship.PlatformError
	require.ErrorAs(t, err, &platform)
	require.Less(t, m.bytes(), int64(32<<10))
}
