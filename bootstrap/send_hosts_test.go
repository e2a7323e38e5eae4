//go:build linux && hosts

package bootstrap

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

// many brings hosts up with sessions of that environment, and starts a worker on all of them at once, until all run; it returns the bytes sent to each.
func many(t *testing.T, hosts int, change func(*Config), env ...string) (sent []int64) {
	cfg := Config{Run: "many", SSH: &sshconn.Config{ConfigFile: "none"}}
	var inv []inventory.Host
	var homes []string
	var config []string
	for i := range hosts {
		s := sshtest.Start(t, sshtest.Options{Env: env, Config: config})
		cfg.SSH.KnownHosts = append(cfg.SSH.KnownHosts, s.KnownHosts)
		if i == 0 {
			cfg.SSH.Identities = []string{s.ClientKey}
			config = []string{"AuthorizedKeysFile " + filepath.Join(s.Dir, "authorized_keys")}
		}
		inv = append(inv, inventory.Host{Name: fmt.Sprint("host", i), User: s.User, Address: "127.0.0.1", Port: s.Port, Slots: 1})
		homes = append(homes, s.Home)
	}
	sent = make([]int64, hosts)
	var mu sync.Mutex
	cfg.Progress = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Stage == StageShipping {
			var i int
			_, _ = fmt.Sscanf(e.Host, "host%d", &i)
			sent[i] = max(sent[i], e.Sent)
		}
	}
	change(&cfg)
	l, err := NewLauncher(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close(context.Background())) }()
	errs := make([]error, hosts)
	var all sync.WaitGroup
	for i, h := range inv {
		all.Go(func() { _, errs[i] = l.Start(t.Context(), h, []byte("wait")) }) // a host passes on what it has while its process runs
	}
	all.Wait()
	for i, err := range errs {
		require.NoError(t, err)
		kept, err := filepath.Glob(filepath.Join(homes[i], ".cache/tlaunch", "[0-9a-f]*"))
		require.NoError(t, err)
		require.Len(t, kept, 1)
	}
	return sent
}

func directly(sent []int64) (n int) {
	for _, bytes := range sent {
		if bytes > 0 {
			n++
		}
	}
	return n
}

func TestHostsPassItOn(t *testing.T) {
	t.Parallel()
	require.Equal(t, maxDirect, directly(many(t, maxDirect+3, func(*Config) {})))
}

// Whatever is in the way, all hosts get it.
func TestHostsThatCannotPassItOn(t *testing.T) {
	t.Parallel()
	const hosts = maxDirect + 2
	t.Run("not asked to", func(t *testing.T) {
		require.Equal(t, hosts, directly(many(t, hosts, func(c *Config) { c.Direct = true })))
	})
	t.Run("no port", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		taken := l.Addr().(*net.TCPAddr).Port
		require.Equal(t, hosts, directly(many(t, hosts, func(c *Config) { c.Ports = Ports{First: taken, Last: taken} })))
	})
	t.Run("no means", func(t *testing.T) {
		bin := t.TempDir()
		for _, tool := range []string{"sh", "id", "uname", "ls", "df", "wc", "find", "touch", "mkdir", "chmod", "rm", "mv", "cat", "grep", "sed", "sha256sum"} {
			require.NoError(t, os.Symlink(filepath.Join("/usr/bin", tool), filepath.Join(bin, tool)))
		}
		require.Equal(t, hosts, directly(many(t, hosts, func(*Config) {}, "PATH="+bin)))
	})
}
