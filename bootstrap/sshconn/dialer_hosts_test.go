//go:build linux && hosts

package sshconn

import (
	"crypto"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sync/errgroup"

	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

// run executes a command over c and returns its output.
func run(t *testing.T, c *Conn, command string) string {
	t.Helper()
	session, err := c.NewSession()
	require.NoError(t, err)
	defer session.Close()
	out, err := session.Output(command)
	require.NoError(t, err)
	return string(out)
}

func target(s *sshtest.Server) Target {
	return Target{Name: "box", Address: "127.0.0.1", Port: s.Port}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestDial(t *testing.T) {
	home(t)
	s := sshtest.Start(t, sshtest.Options{})
	d := newDialer(t, Config{ConfigFile: "none", KnownHosts: []string{s.KnownHosts}, Identities: []string{s.ClientKey}})
	c, err := d.Dial(t.Context(), target(s))
	require.NoError(t, err)
	require.Equal(t, "hello\n", run(t, c, "echo hello"))
	require.Equal(t, "box", c.Name)
	require.Contains(t, c.KeyExchange, "ecdh-sha2-nistp256")
	took, known := c.RoundTrip()
	require.True(t, known)
	require.Less(t, took, 100*time.Millisecond)
	require.Nil(t, c.Jumps)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
}

func TestDialByConfiguration(t *testing.T) {
	write := home(t)
	s := sshtest.Start(t, sshtest.Options{})
	write("my_id", readFile(t, s.ClientKey))
	write("my_hosts", readFile(t, s.KnownHosts))
	write("config.d", fmt.Sprintf("Host box\n  Port %d\n", s.Port))
	write("config", `
Include config.d
Match exec "false" originalhost other
  User nobody
Host box
	HostName 127.0.0.1
	IdentityFile ~/.ssh/%l_none
	IdentityFile "%d/.ssh/my_id"
	UserKnownHostsFile ~/.ssh/my_hosts
Host *
	HostName 192.0.2.1
	Port 1
`)
	d := newDialer(t, Config{})
	c, err := d.Dial(t.Context(), Target{Name: "box"})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", c.HostName)
	require.Equal(t, s.Port, c.Port)
	require.NoError(t, c.Close())
}

func TestUnknownHostKey(t *testing.T) {
	write := home(t)
	s := sshtest.Start(t, sshtest.Options{})
	d := newDialer(t, Config{ConfigFile: write("config", "StrictHostKeyChecking no\n"), Identities: []string{s.ClientKey}})
	_, err := d.Dial(t.Context(), target(s))
	var key *HostKeyError
	require.ErrorAs(t, err, &key)
	require.False(t, key.Changed)
	require.Equal(t, ssh.FingerprintSHA256(s.HostKey.PublicKey()), key.Fingerprint)
	require.Equal(t, ssh.KeyAlgoED25519, key.Algorithm)
	require.ErrorContains(t, err, fmt.Sprintf("ssh-keyscan -p %d 127.0.0.1 >> %s", s.Port, filepath.Join(os.Getenv("HOME"), ".ssh/known_hosts")))
	require.ErrorContains(t, err, "StrictHostKeyChecking no at "+filepath.Join(os.Getenv("HOME"), ".ssh/config:1")+" is not honoured")

	d = newDialer(t, Config{ConfigFile: "none", Identities: []string{s.ClientKey}, InsecureIgnoreHostKey: true})
	c, err := d.Dial(t.Context(), target(s))
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestChangedHostKey(t *testing.T) {
	write := home(t)
	s := sshtest.Start(t, sshtest.Options{})
	other := sshtest.NewKey(t, filepath.Join(t.TempDir(), "other"))
	for _, name := range []string{s.Addr, knownhosts.HashHostname(knownhosts.Normalize(s.Addr))} {
		path := write("known_hosts", "# mine\n"+name2line(name, other.PublicKey())+"\n")
		d := newDialer(t, Config{ConfigFile: "none", Identities: []string{s.ClientKey}})
		_, err := d.Dial(t.Context(), target(s))
		var key *HostKeyError
		require.ErrorAs(t, err, &key)
		require.True(t, key.Changed)
		require.Equal(t, []KnownLine{{path, 2}}, key.Want)
		require.ErrorContains(t, err, fmt.Sprintf("ssh-keygen -f %s -R '[127.0.0.1]:%d'", path, s.Port))
	}
}

// name2line makes a line of known_hosts; a hashed name is taken as it is.
func name2line(name string, key ssh.PublicKey) string {
	if name[0] == '|' {
		return name + " " + string(ssh.MarshalAuthorizedKey(key))
	}
	return knownhosts.Line([]string{name}, key)
}

func TestKnownHostsAccepts(t *testing.T) {
	write := home(t)
	s := sshtest.Start(t, sshtest.Options{})
	key := s.HostKey.PublicKey()
	for name, text := range map[string]string{
		"hashed":         name2line(knownhosts.HashHostname(knownhosts.Normalize(s.Addr)), key),
		"without a port": knownhosts.Line([]string{"127.0.0.1"}, key),
		"pattern":        "127.0.0.* " + string(ssh.MarshalAuthorizedKey(key)),
		"bad line":       "old 1024 35 123456\n" + readFile(t, s.KnownHosts),
	} {
		t.Run(name, func(t *testing.T) {
			write("known_hosts", text)
			d := newDialer(t, Config{ConfigFile: "none", Identities: []string{s.ClientKey}})
			c, err := d.Dial(t.Context(), target(s))
			require.NoError(t, err)
			require.NoError(t, c.Close())
		})
	}
	for name, text := range map[string]string{
		"revoked":         readFile(t, s.KnownHosts) + "@revoked * " + string(ssh.MarshalAuthorizedKey(key)),
		"bad marked line": readFile(t, s.KnownHosts) + "@revoked * ssh-ed25519 AAAA\n",
	} {
		t.Run(name, func(t *testing.T) {
			write("known_hosts", text)
			d := newDialer(t, Config{ConfigFile: "none", Identities: []string{s.ClientKey}})
			_, err := d.Dial(t.Context(), target(s))
			require.ErrorContains(t, err, "known_hosts:2")
		})
	}
}

func TestHostCertificate(t *testing.T) {
	write := home(t)
	authority := sshtest.NewKey(t, filepath.Join(t.TempDir(), "ca"))
	caLine := "@cert-authority 127.0.0.* " + string(ssh.MarshalAuthorizedKey(authority.PublicKey()))
	dial := func(s *sshtest.Server) error {
		d := newDialer(t, Config{ConfigFile: "none", Identities: []string{s.ClientKey}})
		c, err := d.Dial(t.Context(), target(s))
		if err != nil {
			return err
		}
		return c.Close()
	}
	good := sshtest.Start(t, sshtest.Options{Host: authority})
	write("known_hosts", caLine)
	require.NoError(t, dial(good))
	write("known_hosts", readFile(t, good.KnownHosts))
	require.NoError(t, dial(good), "without an authority the bare key counts")

	write("known_hosts", caLine)
	wrong := sshtest.Start(t, sshtest.Options{Host: authority, HostCert: &ssh.Certificate{CertType: ssh.HostCert, ValidPrincipals: []string{"elsewhere"}, ValidBefore: ssh.CertTimeInfinity}})
	var key *HostKeyError
	require.ErrorAs(t, dial(wrong), &key)
	require.Contains(t, key.Note, "its certificate is not accepted")

	bare := sshtest.Start(t, sshtest.Options{})
	require.ErrorAs(t, dial(bare), &key)
	require.Contains(t, key.Note, "no certificate of it")
}

func TestUserCertificate(t *testing.T) {
	home(t)
	dir := t.TempDir()
	authority := sshtest.NewKey(t, filepath.Join(dir, "ca"))
	s := sshtest.Start(t, sshtest.Options{Config: []string{"TrustedUserCAKeys " + filepath.Join(dir, "ca.pub"), "AuthorizedKeysFile none"}})
	id := filepath.Join(dir, "id")
	key := sshtest.NewKey(t, id)
	d := newDialer(t, Config{ConfigFile: "none", KnownHosts: []string{s.KnownHosts}, Identities: []string{id}})
	_, err := d.Dial(t.Context(), target(s))
	var auth *AuthError
	require.ErrorAs(t, err, &auth)
	require.Equal(t, []string{ssh.FingerprintSHA256(key.PublicKey()) + " (" + id + ")"}, auth.Offered)

	sshtest.WriteCert(t, id, ssh.Certificate{CertType: ssh.UserCert, ValidPrincipals: []string{s.User}, ValidBefore: ssh.CertTimeInfinity}, key.PublicKey(), authority)
	d = newDialer(t, Config{ConfigFile: "none", KnownHosts: []string{s.KnownHosts}, Identities: []string{id}})
	c, err := d.Dial(t.Context(), target(s))
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// serveAgent answers as an agent with one key on a socket until the test ends.
func serveAgent(t *testing.T, key any) string {
	t.Helper()
	ring := agent.NewKeyring()
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	dir, err := os.MkdirTemp("", "agent")
	require.NoError(t, err)
	path := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	var served errgroup.Group
	served.Go(func() error {
		for {
			c, err := l.Accept()
			if err != nil {
				return nil
			}
			served.Go(func() error {
				defer c.Close()
				return agent.ServeAgent(ring, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		_ = served.Wait() // ends with the clients' EOF
		os.RemoveAll(dir)
	})
	return path
}

func TestAgent(t *testing.T) {
	write := home(t)
	s := sshtest.Start(t, sshtest.Options{})
	write("known_hosts", readFile(t, s.KnownHosts))
	key, err := ssh.ParseRawPrivateKey([]byte(readFile(t, s.ClientKey)))
	require.NoError(t, err)
	socket := serveAgent(t, key)

	t.Setenv("SSH_AUTH_SOCK", socket)
	c, err := newDialer(t, Config{ConfigFile: "none"}).Dial(t.Context(), target(s))
	require.NoError(t, err)
	require.NoError(t, c.Close())

	write("config", "IdentityAgent none\n")
	_, err = newDialer(t, Config{}).Dial(t.Context(), target(s))
	var auth *AuthError
	require.ErrorAs(t, err, &auth)
	require.Empty(t, auth.Offered)
	require.ErrorContains(t, err, "there was no key to offer")

	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "none"))
	write("config", "IdentityAgent "+socket+"\nIdentitiesOnly yes\nIdentityFile ~/.ssh/mine\n")
	write("mine.pub", readFile(t, s.ClientKey+".pub"))
	c, err = newDialer(t, Config{}).Dial(t.Context(), target(s))
	require.NoError(t, err, "the public half names the key in the agent")
	require.NoError(t, c.Close())
}

func TestEncryptedKey(t *testing.T) {
	home(t)
	s := sshtest.Start(t, sshtest.Options{})
	raw, err := ssh.ParseRawPrivateKey([]byte(readFile(t, s.ClientKey)))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "locked")
	writeLocked(t, path, raw)
	d := newDialer(t, Config{ConfigFile: "none", KnownHosts: []string{s.KnownHosts}, Identities: []string{path}})
	_, err = d.Dial(t.Context(), target(s))
	require.ErrorContains(t, err, "encrypted and not in an agent: ssh-add "+path)

	t.Setenv("SSH_AUTH_SOCK", serveAgent(t, raw))
	c, err := d.Dial(t.Context(), target(s))
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// Two strangers fill the two places for connections that have not logged in yet, until the first of our dials has been turned away.
func TestMaxStartups(t *testing.T) {
	home(t)
	s := sshtest.Start(t, sshtest.Options{Config: []string{"MaxStartups 2:100:2"}})
	var strangers []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", s.Addr)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Read(make([]byte, 1)) // of the version: the place is taken
		require.NoError(t, err)
		strangers = append(strangers, c)
	}
	var turnedAway atomic.Int64
	random := func() float64 {
		turnedAway.Add(1)
		for _, c := range strangers {
			c.Close()
		}
		return 0
	}
	d := newDialer(t, Config{ConfigFile: "none", KnownHosts: []string{s.KnownHosts}, Identities: []string{s.ClientKey}, Timeout: time.Minute, Retries: 200, Rand: random})
	g, ctx := errgroup.WithContext(t.Context())
	for range 16 {
		g.Go(func() error {
			c, err := d.Dial(ctx, target(s))
			if err != nil {
				return err
			}
			return c.Close()
		})
	}
	require.NoError(t, g.Wait())
	require.NotZero(t, turnedAway.Load())
}

func TestJumpHostIsShared(t *testing.T) {
	write := home(t)
	gate := sshtest.Start(t, sshtest.Options{})
	one, two := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	config := fmt.Sprintf("Host gate\n Port %d\n IdentityFile %s\nHost one\n Port %d\n IdentityFile %s\nHost two\n Port %d\n IdentityFile %s\nHost *\n HostName 127.0.0.1\n ProxyJump gate\n",
		gate.Port, gate.ClientKey, one.Port, one.ClientKey, two.Port, two.ClientKey)
	d := newDialer(t, Config{ConfigFile: write("config", config), KnownHosts: []string{gate.KnownHosts, one.KnownHosts, two.KnownHosts}})

	g, ctx := errgroup.WithContext(t.Context())
	conns := make([]*Conn, 8)
	for i := range conns {
		g.Go(func() (err error) {
			conns[i], err = d.Dial(ctx, Target{Name: []string{"one", "two"}[i%2]})
			return err
		})
	}
	require.NoError(t, g.Wait())
	require.Equal(t, 1, gate.Count("Accepted publickey"))
	require.Equal(t, 4, one.Count("Accepted publickey"))
	require.Equal(t, []string{"gate"}, conns[0].Jumps)
	for _, c := range conns[1:] {
		require.NoError(t, c.Close())
	}
	require.Equal(t, "still\n", run(t, conns[0], "echo still"))
	require.NoError(t, conns[0].Close())
	require.Empty(t, d.shared, "the last user took the jump connection along")

	c, err := d.Dial(t.Context(), Target{Name: "two"})
	require.NoError(t, err)
	require.Equal(t, 2, gate.Count("Accepted publickey"))
	require.NoError(t, c.Close())
}

func TestJumpChain(t *testing.T) {
	write := home(t)
	a, b, last := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	config := fmt.Sprintf("Host last\n ProxyJump 127.0.0.1:%d,127.0.0.1:%d\n Port %d\nHost *\n HostName 127.0.0.1\n", a.Port, b.Port, last.Port)
	ids := []string{a.ClientKey, b.ClientKey, last.ClientKey}
	d := newDialer(t, Config{ConfigFile: write("config", config), KnownHosts: []string{a.KnownHosts, b.KnownHosts, last.KnownHosts}, Identities: ids})
	c, err := d.Dial(t.Context(), Target{Name: "last"})
	require.NoError(t, err)
	require.Equal(t, "there\n", run(t, c, "echo there"))
	require.Equal(t, []int{1, 1}, []int{a.Count("Accepted publickey"), b.Count("Accepted publickey")})
	require.NoError(t, c.Close())
}

func TestJumpFailureNamesTheJump(t *testing.T) {
	write := home(t)
	gate := sshtest.Start(t, sshtest.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	refused := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	write("config", "Host hidden\n HostName 127.0.0.1\n ProxyJump gate\nHost lost\n ProxyJump nowhere\nHost gate\n HostName 127.0.0.1\n Port "+strconv.Itoa(gate.Port)+"\nHost nowhere\n HostName 127.0.0.1\n Port "+strconv.Itoa(refused)+"\n")
	d := newDialer(t, Config{KnownHosts: []string{gate.KnownHosts}, Identities: []string{gate.ClientKey}})

	_, err = d.Dial(t.Context(), Target{Name: "box", Address: "hidden", Port: refused})
	var reach *ReachError
	require.ErrorAs(t, err, &reach)
	require.Equal(t, ReachJump, reach.Kind)
	require.Equal(t, "box", reach.Host)
	require.Equal(t, "gate", reach.Via)

	_, err = d.Dial(t.Context(), Target{Name: "lost"})
	require.ErrorAs(t, err, &reach)
	require.Equal(t, "nowhere", reach.Host)
	require.Empty(t, d.shared)
}

// writeLocked writes an encrypted private key.
func writeLocked(t *testing.T, path string, key crypto.PrivateKey) {
	t.Helper()
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte("secret"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
}

func TestJumpHostForbidsForwarding(t *testing.T) {
	write := home(t)
	gate := sshtest.Start(t, sshtest.Options{Config: []string{"AllowTcpForwarding no"}})
	d := newDialer(t, Config{ConfigFile: write("config", fmt.Sprintf("Host gate\n Port %d\nHost *\n HostName 127.0.0.1\n ProxyJump gate\n", gate.Port)),
		KnownHosts: []string{gate.KnownHosts}, Identities: []string{gate.ClientKey}})
	_, err := d.Dial(t.Context(), Target{Name: "hidden"})
	var reach *ReachError
	require.ErrorAs(t, err, &reach)
	require.Equal(t, ReachJump, reach.Kind)
	require.ErrorContains(t, err, "AllowTcpForwarding")
}

// 32 hosts behind one jump host, at once, on servers that turn away all but a few: one connection to the jump host carries them all.
func TestManyBehindOneBusyJumpHost(t *testing.T) {
	write := home(t)
	gate := sshtest.Start(t, sshtest.Options{Config: []string{"MaxStartups 2:50:4", "MaxSessions 1"}})
	config, known := fmt.Sprintf("Host gate\n Port %d\n IdentityFile %s\n", gate.Port, gate.ClientKey), []string{gate.KnownHosts}
	const hosts, servers = 32, 4
	for i := range servers {
		s := sshtest.Start(t, sshtest.Options{Config: []string{"MaxStartups 2:50:4"}})
		known = append(known, s.KnownHosts)
		config += fmt.Sprintf("Host far%d-*\n Port %d\n IdentityFile %s\n", i, s.Port, s.ClientKey)
	}
	d := newDialer(t, Config{ConfigFile: write("config", config+"Host *\n HostName 127.0.0.1\n ProxyJump gate\n"), KnownHosts: known, Timeout: time.Minute})
	var g errgroup.Group
	for i := range hosts {
		g.Go(func() error {
			c, err := d.Dial(t.Context(), Target{Name: fmt.Sprintf("far%d-%d", i%servers, i)})
			if err != nil {
				return err
			}
			return c.Close()
		})
	}
	require.NoError(t, g.Wait())
	require.Equal(t, 1, gate.Count("Accepted publickey"))
}

func TestIPv6(t *testing.T) {
	write := home(t)
	s := sshtest.Start(t, sshtest.Options{Config: []string{"ListenAddress ::1"}})
	d := newDialer(t, Config{ConfigFile: "none", Identities: []string{s.ClientKey}})
	to := Target{Name: "six", Address: "::1", Port: s.Port}
	_, err := d.Dial(t.Context(), to)
	var key *HostKeyError
	require.ErrorAs(t, err, &key)
	require.Equal(t, fmt.Sprintf("[::1]:%d", s.Port), key.Addr)

	write("known_hosts", knownhosts.Line([]string{key.Addr}, s.HostKey.PublicKey())+"\n")
	d = newDialer(t, Config{ConfigFile: "none", Identities: []string{s.ClientKey}})
	c, err := d.Dial(t.Context(), to)
	require.NoError(t, err)
	require.Equal(t, "::1", c.RemoteAddr().(*net.TCPAddr).IP.String())
	require.NoError(t, c.Close())
}
