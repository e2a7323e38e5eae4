//go:build linux && hosts

package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

// meter passes connections on to an sshd, counts their bytes, and can cut them.
type meter struct {
	listener net.Listener
	to       string
	sent     sync.Mutex
	up       int64 // bytes from the launcher

	mu    sync.Mutex
	conns []net.Conn
	all   sync.WaitGroup
}

func newMeter(t *testing.T, to string) *meter {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &meter{listener: listener, to: to}
	m.all.Go(m.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		m.cut()
		m.all.Wait()
	})
	return m
}

func (m *meter) port() int { return m.listener.Addr().(*net.TCPAddr).Port }

func (m *meter) serve() {
	for {
		in, err := m.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", m.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		m.mu.Lock()
		m.conns = append(m.conns, in, out)
		m.mu.Unlock()
		m.all.Go(func() {
			_, _ = io.Copy(out, &counted{in, m})
			_ = out.Close()
		})
		m.all.Go(func() {
			_, _ = io.Copy(in, out)
			_ = in.Close()
		})
	}
}

type counted struct {
	io.Reader
	m *meter
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.m.sent.Lock()
	c.m.up += int64(n)
	c.m.sent.Unlock()
	return n, err
}

// bytes returns what was sent since the last call.
func (m *meter) bytes() int64 {
	m.sent.Lock()
	defer m.sent.Unlock()
	n := m.up
	m.up = 0
	return n
}

// shut cuts all connections and takes no more.
func (m *meter) shut() {
	_ = m.listener.Close() // Cleanup closes it too
	m.cut()
}

func (m *meter) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		_ = c.Close()
	}
	m.conns = nil
}

// remote returns the host of s, reached through m, and the configuration for it.
func remote(t *testing.T, s *sshtest.Server, m *meter) (inventory.Host, Config) {
	known := filepath.Join(t.TempDir(), "known_hosts")
	lines, err := os.ReadFile(s.KnownHosts)
	require.NoError(t, err)
	lines = bytes.ReplaceAll(lines, []byte(":"+strconv.Itoa(s.Port)), []byte(":"+strconv.Itoa(m.port())))
	require.NoError(t, os.WriteFile(known, lines, 0o600))
	return inventory.Host{Name: "far", User: s.User, Address: "127.0.0.1", Port: m.port(), Slots: 1},
		Config{Run: "far away", SSH: &sshconn.Config{ConfigFile: "none", KnownHosts: []string{known}, Identities: []string{s.ClientKey}}}
}

func launchRemote(t *testing.T, cfg Config, h inventory.Host, orders string) (*Process, *journal, error) {
	j := newJournal()
	cfg.Log = j.log
	l, err := NewLauncher(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close(context.Background())) })
	p, err := l.Start(t.Context(), h, []byte(orders))
	return p, j, err
}

// leftovers lists what is below a host's home but for the cache itself.
func leftovers(t *testing.T, home string) []string {
	var found []string
	require.NoError(t, filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if strings.Contains(d.Name(), "far_away") {
			found = append(found, path)
		}
		return err
	}))
	return found
}

func TestOverSSH(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	m := newMeter(t, s.Addr)
	h, cfg := remote(t, s, m)
	var stages []Event
	var mu sync.Mutex
	cfg.Progress = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		stages = append(stages, e)
	}

	p, j, err := launchRemote(t, cfg, h, "call")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", p.DataAddress())
	conn, err := p.Accept()
	require.NoError(t, err)
	data, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.True(t, bytes.Equal(bytes.Repeat([]byte("0123456789"), 1<<20), data))
	exit := await(t, p)
	require.True(t, exit.Success(), "%v %v", exit, j.all())
	cold := m.bytes()
	require.Greater(t, cold, int64(1<<20), "the program was not sent")
	require.Equal(t, StageConnecting, stages[0].Stage)
	require.Equal(t, StageConnected, stages[1].Stage)
	require.Equal(t, StageShipping, stages[2].Stage)
	require.Equal(t, StageStarted, stages[len(stages)-1].Stage)

	p, _, err = launchRemote(t, cfg, h, "exit 7")
	require.NoError(t, err)
	require.Equal(t, 7, await(t, p).Code)
	require.Less(t, m.bytes(), int64(16<<10), "a warm start sends no program")

	p, j, err = launchRemote(t, cfg, h, "wait")
	require.NoError(t, err)
	worker, agent, dir := j.ids(t)
	require.True(t, strings.HasPrefix(dir, s.Home), dir)
	p.Terminate(time.Minute)
	require.Equal(t, 3, await(t, p).Code)
	gone(t, patience, worker, agent)
	require.Empty(t, leftovers(t, s.Home))
}

// Whatever the login shell is and prints, the program is reached.
func TestLoginShells(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"/bin/sh", "/bin/bash", "/usr/bin/dash", "/usr/bin/zsh", "/usr/bin/fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			s := sshtest.Start(t, sshtest.Options{Shell: shell})
			for _, file := range []string{".bashrc", ".zshenv", ".config/fish/config.fish"} {
				file = filepath.Join(s.Home, file)
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
				require.NoError(t, os.WriteFile(file, []byte("echo welcome to this host; echo careful >&2\n"), 0o600))
			}
			h, cfg := remote(t, s, newMeter(t, s.Addr))
			p, j, err := launchRemote(t, cfg, h, "hello")
			require.NoError(t, err)
			succeeds(t, p)
			require.Contains(t, j.texts(Stdout), "to stdout")
			require.Equal(t, []string{"to log", "bad \xff bytes"}, j.texts(Log))
		})
	}
}

// What a start file leaves behind in the background keeps the session open; a look for left-overs does not wait for that.
func TestStartFileLeavesProcessBehind(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{Shell: "/bin/bash", Env: []string{"BASH_ENV={home}/.bashrc"}})
	fifo := filepath.Join(s.Home, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	t.Cleanup(func() {
		w, err := os.OpenFile(fifo, os.O_RDWR, 0) // whoever waits for a writer reads the end of the file now
		require.NoError(t, err)
		require.NoError(t, w.Close())
	})
	require.NoError(t, os.WriteFile(filepath.Join(s.Home, ".bashrc"), []byte("{ read x <"+fifo+"; } &\n"), 0o600))
	h, cfg := remote(t, s, newMeter(t, s.Addr))
	l, err := NewLauncher(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close(context.Background())) }()
	found, err := l.Clean(t.Context(), h, CleanOptions{Run: "nobody's"})
	require.NoError(t, err)
	require.Empty(t, found.Found)
}

// The connection is cut for good: the host cleans up by itself.
func TestLeaseLostOverSSH(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	m := newMeter(t, s.Addr)
	h, cfg := remote(t, s, m)
	cfg.Lease = shortLease
	p, j, err := launchRemote(t, cfg, h, "ignore")
	require.NoError(t, err)
	worker, agent, dir := j.ids(t)
	child, grandchild := j.number(t, "child"), j.number(t, "grandchild")
	m.shut()
	exit := await(t, p)
	require.True(t, exit.Lost)
	require.ErrorIs(t, exit.Err, ErrNoStatus)
	gone(t, cfg.Lease+LeaseNotice+slack, worker, agent, child, grandchild)
	require.NoDirExists(t, dir)
}

func TestAgentKilledOverSSH(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	h, cfg := remote(t, s, newMeter(t, s.Addr))
	p, j, err := launchRemote(t, cfg, h, "wait")
	require.NoError(t, err)
	worker, agent, dir := j.ids(t)
	kill(t, agent)
	require.True(t, await(t, p).Lost)
	gone(t, patience, worker)
	require.NoDirExists(t, dir)
}

func TestNoInitOverSSH(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	for _, arg := range []string{"never-exits", "never-fails", "never-hangs"} {
		h, cfg := remote(t, s, newMeter(t, s.Addr))
		cfg.Args, cfg.HelloTimeout = []string{arg}, 2*time.Second
		_, _, err := launchRemote(t, cfg, h, "hello")
		require.ErrorIs(t, err, ErrNoInit, arg)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	m := newMeter(t, s.Addr)
	h, cfg := remote(t, s, m)
	cfg.SSH.KnownHosts = []string{s.KnownHosts} // knows the server by another port
	_, _, err := launchRemote(t, cfg, h, "hello")
	var failed *HostError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "connect", failed.Op)
	var key *sshconn.HostKeyError
	require.ErrorAs(t, err, &key)

	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("no more")
	cancel(reason)
	l, err := NewLauncher(cfg)
	require.NoError(t, err)
	_, err = l.Start(ctx, h, nil)
	require.ErrorIs(t, err, reason)
	require.NoError(t, l.Close(t.Context()))
}
