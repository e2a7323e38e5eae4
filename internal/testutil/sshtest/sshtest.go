// Package sshtest runs the machine's OpenSSH server for tests, on a free port of 127.0.0.1, for the user that runs the test.
//
// Each [Server] has a folder, a home folder, a host key and one authorised client key of its own. It is stopped with its test. Its sessions see HOME set to its home folder; their working
// folder is the user's real one.
package sshtest

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Options change a server from the usual. The zero value is usable.
type Options struct {
	Config   []string         // lines of sshd_config, put before the fixture's own, so that they win; not SetEnv, see Env
	Env      []string         // NAME=VALUE for its sessions; {home} stands for the server's home folder
	Shell    string           // program that runs commands as a login shell would; empty: the user's own
	Host     ssh.Signer       // host key's authority: when set, the server shows a certificate of it for 127.0.0.1
	HostCert *ssh.Certificate // fields to start the host certificate from; nil: valid for 127.0.0.1 without end
}

// Server is a running sshd.
type Server struct {
	Addr       string // 127.0.0.1:port
	Port       int
	User       string
	Dir        string     // everything below is in it
	Home       string     // HOME of its sessions
	ClientKey  string     // private key file that may log in
	KnownHosts string     // file with the server's key under its address
	HostKey    ssh.Signer // key that the server shows

	mu  sync.Mutex
	log strings.Builder
}

// Start runs a server and waits until it listens. The machine must have /usr/sbin/sshd.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	u, err := user.Current()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "sshd") // unix sockets and noexec mounts speak against the long names of t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	s := &Server{User: u.Username, Dir: dir, Home: filepath.Join(dir, "home"), ClientKey: filepath.Join(dir, "id"), KnownHosts: filepath.Join(dir, "known_hosts")}
	require.NoError(t, os.Mkdir(s.Home, 0o700))
	if os.Getuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // sshd's own folder for separated privileges
	}

	hostFile := filepath.Join(dir, "host")
	s.HostKey = NewKey(t, hostFile)
	client := NewKey(t, s.ClientKey)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "authorized_keys"), ssh.MarshalAuthorizedKey(client.PublicKey()), 0o600))
	config := o.Config
	if o.Host != nil {
		cert := ssh.Certificate{CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
		if o.HostCert != nil {
			cert = *o.HostCert
		}
		WriteCert(t, hostFile, cert, s.HostKey.PublicKey(), o.Host)
		config = append(config, "HostCertificate "+hostFile+"-cert.pub")
	}
	if o.Shell != "" {
		wrapper := filepath.Join(dir, "shell")
		require.NoError(t, os.WriteFile(wrapper, []byte("#!/bin/sh\nexec "+o.Shell+" -c \"$SSH_ORIGINAL_COMMAND\"\n"), 0o755))
		config = append(config, "ForceCommand exec "+wrapper)
	}
	config = append(config, "HostKey "+hostFile, "AuthorizedKeysFile "+filepath.Join(dir, "authorized_keys"), "PidFile none", "StrictModes no", "UsePAM no",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes", "PrintMotd no", "PrintLastLog no", "LogLevel VERBOSE",
		"MaxSessions 100", "UseDNS no", "SetEnv HOME="+s.Home+" "+strings.ReplaceAll(strings.Join(o.Env, " "), "{home}", s.Home))

	for range 5 { // somebody may take the port between our look and sshd's
		s.Port = freePort(t)
		if s.run(t, config) {
			s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
			line := knownhosts.Line([]string{s.Addr}, s.HostKey.PublicKey())
			require.NoError(t, os.WriteFile(s.KnownHosts, []byte(line+"\n"), 0o600))
			return s
		}
	}
	require.FailNow(t, "sshd does not start", s.Log())
	return nil
}

// run starts sshd and reports whether it listens.
func (s *Server) run(t testing.TB, config []string) bool {
	t.Helper()
	file := filepath.Join(s.Dir, "sshd_config")
	lines := append([]string{"Port " + strconv.Itoa(s.Port), "ListenAddress 127.0.0.1", "MaxStartups 100"}, config...) // of MaxStartups the last line counts
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	cmd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", file)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stderr = w
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())

	listening, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var once sync.Once // it says so for each of its addresses
		for sc := bufio.NewScanner(r); sc.Scan(); {
			s.mu.Lock()
			s.log.WriteString(sc.Text() + "\n")
			s.mu.Unlock()
			if strings.HasPrefix(sc.Text(), "Server listening on") {
				once.Do(func() { close(listening) })
			}
		}
	}()
	up := false
	select {
	case <-listening:
		up = true
	case <-done:
	case <-time.After(10 * time.Second):
	}
	stop := func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()         // its status says only that it was killed
		select {
		case <-done:
		case <-time.After(5 * time.Second): // a session that still ends holds the pipe
			r.SetReadDeadline(time.Now())
			<-done
		}
		r.Close()
	}
	if !up {
		stop()
		return false
	}
	t.Cleanup(stop)
	return true
}

// Log returns what sshd has said so far.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Count returns how many lines of the log hold text.
func (s *Server) Count(text string) int {
	n := 0
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// Client logs in with the server's client key. It is closed with the test.
func (s *Server) Client(t testing.TB) *ssh.Client {
	t.Helper()
	text, err := os.ReadFile(s.ClientKey)
	require.NoError(t, err)
	key, err := ssh.ParsePrivateKey(text)
	require.NoError(t, err)
	c, err := ssh.Dial("tcp", s.Addr, &ssh.ClientConfig{
		User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(s.HostKey.PublicKey()),
		Config: ssh.Config{KeyExchanges: []string{ssh.KeyExchangeCurve25519}}, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Close()
		c.Wait()
	})
	return c
}

// NewKey makes an ed25519 key and writes it to path and path.pub.
func NewKey(t testing.TB, path string) ssh.Signer {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "test")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	key, err := ssh.NewPublicKey(pub)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(key), 0o600))
	signer, err := ssh.NewSignerFromSigner(private)
	require.NoError(t, err)
	return signer
}

// WriteCert has an authority certify a key and writes the certificate to path-cert.pub. cert gives its type, principals and validity.
func WriteCert(t testing.TB, path string, cert ssh.Certificate, key ssh.PublicKey, authority ssh.Signer) *ssh.Certificate {
	t.Helper()
	cert.Key = key
	require.NoError(t, cert.SignCert(rand.Reader, authority))
	require.NoError(t, os.WriteFile(path+"-cert.pub", ssh.MarshalAuthorizedKey(&cert), 0o600))
	return &cert
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
