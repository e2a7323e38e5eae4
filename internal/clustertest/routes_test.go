//go:build linux && hosts

package clustertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// Only the jump host can be reached from the launcher.
func TestThroughAJumpHost(t *testing.T) {
	t.Parallel()
	c := up(t, 4)
	for _, h := range c.Hosts[1:] {
		h.DropGateway()
	}
	overwrite(t, c.Config, "Host host2 host3 host4\n  ProxyJump host1\n"+read(t, c.Config))
	inventory := write(t, "inventory", "host2\nhost3\nhost4\n") // aliases of the configuration
	r := launch(t, nil, testprog(t), "ring", "-rounds", "5", "-marker", "0123456789", "-launch", "ssh", "-hosts", inventory, "-ssh-config", c.Config)
	require.Zero(t, r.status)
	require.Equal(t, 3, strings.Count(r.out, "ring bytes=50"))
	require.Equal(t, 1, strings.Count(c.Hosts[0].SSHDLog(), "Accepted"), "the connection to the jump host is shared")
	for _, h := range c.Hosts[1:] {
		require.Contains(t, h.SSHDLog(), "from "+c.Hosts[0].IP)
	}
	c.requireClean(t)
}

// A plain account, with another login shell whose start files print what they should not.
func TestPlainAccountsAndLoginShells(t *testing.T) {
	t.Parallel()
	const noise = "printf 'Welcome \\001\\377 to the machine\\n'; printf 'and no end of line'; echo trouble >&2\n"
	for shell, files := range map[string]map[string]string{
		"/bin/bash":     {".bashrc": noise, ".bash_profile": noise, ".profile": noise},
		"/usr/bin/zsh":  {".zshenv": noise, ".zshrc": noise},
		"/usr/bin/fish": {".config/fish/config.fish": noise},
	} {
		t.Run(filepath.Base(shell), func(t *testing.T) {
			c := upCold(t, 2, hosts.User("worker"), hosts.LoginShell(shell))
			for _, h := range c.Hosts {
				for name, text := range files {
					path := filepath.Join(h.Home, name)
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
					overwrite(t, path, text)
				}
				own := h.Command("chown", "-R", "worker:worker", h.Home)
				out, err := own.CombinedOutput()
				require.NoError(t, err, string(out))
			}
			r := launch(t, nil, testprog(t), append([]string{"ring", "-rounds", "5", "-marker", "0123456789"}, c.ssh()...)...)
			require.Zero(t, r.status)
			require.Equal(t, 2, strings.Count(r.out, "ring bytes=50"))
			require.Contains(t, r.out, "Welcome", "the start files did print")
			require.NotContains(t, r.out, "\x01", "harmless")
			c.requireClean(t)
		})
	}
}

func TestLuggage(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	dir := filepath.Join(t.TempDir(), "luggage")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
	overwrite(t, filepath.Join(dir, ".git/config"), "private")
	overwrite(t, filepath.Join(dir, "note.txt"), "handle with care\n")
	r := launch(t, []string{"COLOR=blue", "SECRET=hush"}, testprog(t), append([]string{"luggage", "-ship", dir, "-env", "COLOR", "-env", "SHAPE=round"}, c.ssh()...)...)
	require.Zero(t, r.status)
	for _, h := range c.Hosts {
		line := lineWith(r.out, "@"+h.Name+" ")
		require.Contains(t, line, `note="handle with care"`)
		require.Contains(t, line, "color=blue")
		require.Contains(t, line, "dir="+h.Home)
		require.Contains(t, line, "SHAPE")
		require.NotContains(t, line, "SECRET")
		require.NotContains(t, line, "SSH_")
		require.NotContains(t, line, "TLAUNCH_HOST", "what the process is started with is not what nodes see")
		require.Contains(t, line, "TLAUNCH_MARK")
	}
	c.requireClean(t)
}

func TestPortsAreBounded(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	l := start(t, nil, testprog(t), append([]string{"fate", "-how", "wait", "-ports", "21000-21001"}, c.ssh()...)...)
	l.await("fate how=wait", "standing by")
	for _, h := range c.Hosts {
		out, err := h.Command("ss", "-Hltn").Output()
		require.NoError(t, err)
		listening := 0
		for line := range strings.Lines(string(out)) {
			local := strings.Fields(line)[3]
			if strings.HasSuffix(local, ":22") {
				continue
			}
			require.Contains(t, []string{fmt.Sprintf("%s:21000", h.IP), fmt.Sprintf("%s:21001", h.IP)}, local)
			listening++
		}
		require.Equal(t, 1, listening)
	}
	l.signal(syscall.SIGTERM)
	require.Equal(t, 143, l.wait().status)
	c.requireClean(t)
}
