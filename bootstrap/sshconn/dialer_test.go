package sshconn

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// home gives the test a home folder of its own, without keys, agent or configuration, and returns a writer of files in its .ssh.
func home(t *testing.T) func(name, text string) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("SSH_AUTH_SOCK", "")
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".ssh"), 0o700))
	return func(name, text string) string {
		path := filepath.Join(dir, ".ssh", name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
}

func newDialer(t *testing.T, cfg Config) *Dialer {
	t.Helper()
	d, err := NewDialer(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestRefused(t *testing.T) {
	home(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	_, err = newDialer(t, Config{ConfigFile: "none"}).Dial(t.Context(), Target{Name: "box", Address: "127.0.0.1", Port: port})
	var reach *ReachError
	require.ErrorAs(t, err, &reach)
	require.Equal(t, ReachRefused, reach.Kind)
	require.Equal(t, 1, reach.Attempts)
}

// serveRaw accepts connections and does as told with each until the test ends.
func serveRaw(t *testing.T, serve func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var g errgroup.Group
	g.Go(func() error {
		for {
			c, err := l.Accept()
			if err != nil {
				return nil
			}
			g.Go(func() error {
				defer c.Close()
				serve(c)
				return nil
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		_ = g.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// swallow reads until the peer hangs up and answers nothing.
func swallow(c net.Conn) {
	for buf := make([]byte, 512); ; {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func TestUnfriendlyServers(t *testing.T) {
	home(t)
	const enough, long = 3 * time.Second, time.Minute // for the server to have done as told, on a busy machine too; more than that
	for _, c := range []struct {
		name     string
		serve    func(net.Conn)
		timeout  time.Duration
		kind     ReachKind
		attempts int
		said     string
	}{
		{"black hole", swallow, enough, ReachSilent, 1, ""},
		{"half a greeting", func(c net.Conn) {
			fmt.Fprint(c, "SSH-2.0-")
			swallow(c)
		}, enough, ReachTimeout, 1, ""},
		{"hangs up", func(net.Conn) {}, long, ReachClosed, 3, ""},
		{"another service that hangs up", func(c net.Conn) { fmt.Fprint(c, "220 mail\r\n") }, long, ReachClosed, 3, "220 mail"},
		{"another protocol", func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\x00\r\n"+string(make([]byte, 70000)))
			swallow(c)
		}, long, ReachProtocol, 1, "HTTP/1.1 400 Bad Request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDialer(t, Config{ConfigFile: "none", Timeout: c.timeout, Retries: 2, Rand: func() float64 { return 0 }})
			_, err := d.Dial(t.Context(), Target{Name: "box", Address: "127.0.0.1", Port: serveRaw(t, c.serve)})
			var reach *ReachError
			require.ErrorAs(t, err, &reach)
			require.Equal(t, c.kind, reach.Kind, err)
			require.Equal(t, c.attempts, reach.Attempts)
			require.True(t, strings.HasPrefix(reach.Said, c.said), reach.Said)
			require.Equal(t, c.said != "", reach.Said != "", reach.Said)
		})
	}
}

func TestJumpHostIsNamed(t *testing.T) {
	home(t)
	config := filepath.Join(t.TempDir(), "config")
	gate := fmt.Sprintf("127.0.0.1:%d", serveRaw(t, func(net.Conn) {}))
	require.NoError(t, os.WriteFile(config, []byte("Host box\n  ProxyJump "+gate+"\n"), 0o600))
	d := newDialer(t, Config{ConfigFile: config, Retries: -1})
	_, err := d.Dial(t.Context(), Target{Name: "box"})
	var reach *ReachError
	require.ErrorAs(t, err, &reach)
	require.Equal(t, ReachClosed, reach.Kind)
	require.ErrorContains(t, err, "sshconn: at the jump host 127.0.0.1: ")
}

func TestCancelAndClose(t *testing.T) {
	home(t)
	accepted := make(chan struct{}, 2)
	port := serveRaw(t, func(c net.Conn) { accepted <- struct{}{}; swallow(c) })
	d := newDialer(t, Config{ConfigFile: "none"})
	to := Target{Address: "127.0.0.1", Port: port}

	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-accepted; cancel() }()
	_, err := d.Dial(ctx, to)
	require.ErrorIs(t, err, context.Canceled)

	closed := make(chan error)
	go func() { <-accepted; closed <- d.Close() }()
	_, err = d.Dial(t.Context(), to)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, <-closed)
	_, err = d.Dial(t.Context(), to)
	require.ErrorIs(t, err, ErrClosed)
}

// One user that gives up does not take the shared jump connection away from the others.
func TestJumpOutlivesAnImpatientUser(t *testing.T) {
	write := home(t)
	accepted := make(chan struct{}, 2)
	port := serveRaw(t, func(c net.Conn) { accepted <- struct{}{}; swallow(c) })
	d := newDialer(t, Config{ConfigFile: write("config", fmt.Sprintf("Host gate\n HostName 127.0.0.1\n Port %d\nHost *\n ProxyJump gate\n", port))})

	ctx, cancel := context.WithCancel(t.Context())
	patient, impatient := make(chan error, 1), make(chan error, 1)
	go func() { _, err := d.Dial(ctx, Target{Name: "one"}); impatient <- err }()
	<-accepted
	go func() { _, err := d.Dial(t.Context(), Target{Name: "two"}); patient <- err }()
	require.Eventually(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, j := range d.shared {
			return j.users == 2
		}
		return false
	}, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-impatient, context.Canceled)
	d.mu.Lock()
	require.Len(t, d.shared, 1)
	d.mu.Unlock()
	require.NoError(t, d.Close())
	require.ErrorIs(t, <-patient, ErrClosed)
	require.Empty(t, accepted, "one connection for both")
}
