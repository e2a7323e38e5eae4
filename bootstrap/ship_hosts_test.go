//go:build linux && hosts

package bootstrap

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/ship"
	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

func TestShipOverSSH(t *testing.T) {
	t.Parallel()
	dir, want := shipment(t)
	s := sshtest.Start(t, sshtest.Options{})
	h, cfg := remote(t, s, newMeter(t, s.Addr))
	cfg.Ship = []string{dir}
	for range 2 { // cold, and from the host's cache
		p, j, err := launchRemote(t, cfg, h, "files")
		require.NoError(t, err)
		succeeds(t, p)
		require.Equal(t, want, j.texts(Stdout))
	}
	require.Empty(t, leftovers(t, s.Home))
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
