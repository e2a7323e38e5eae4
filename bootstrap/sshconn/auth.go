package sshconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keyring reads key files once.
type keyring struct {
	mu    sync.Mutex
	files map[string]*keyFile
}

// keyFile is a private key file and what lies beside it.
type keyFile struct {
	path   string
	public ssh.PublicKey    // nil when not even that could be read
	signer ssh.Signer       // nil when the key is missing or encrypted
	cert   *ssh.Certificate // of path-cert.pub, nil when there is none
	err    error            // why there is no signer
}

func (k *keyring) load(path string) *keyFile {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f, ok := k.files[path]; ok {
		return f
	}
	if k.files == nil {
		k.files = map[string]*keyFile{}
	}
	f := readKey(path)
	k.files[path] = f
	return f
}

func readKey(path string) *keyFile {
	f := &keyFile{path: path}
	if pub, err := readPublic(path + ".pub"); err == nil {
		f.public = pub
	}
	if pub, err := readPublic(path + "-cert.pub"); err == nil {
		f.cert, _ = pub.(*ssh.Certificate)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.err = err
		return f
	}
	f.signer, f.err = ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case f.err == nil:
		f.public = f.signer.PublicKey()
	case errors.As(f.err, &locked):
		if locked.PublicKey != nil {
			f.public = locked.PublicKey
		}
	default:
		if pub, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
			f.public = pub // IdentityFile may name the public half of a key in the agent
		}
	}
	return f
}

func readPublic(path string) (ssh.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return pub, err
}

// offer is what one login can show: the keys in order, and what could not be shown.
type offer struct {
	signers []ssh.Signer
	names   []string // of signers: fingerprint and source
	notes   []string
}

// add offers a key; the same one is offered once.
func (o *offer) add(s ssh.Signer, source string) {
	blob := s.PublicKey().Marshal()
	if slices.ContainsFunc(o.signers, func(other ssh.Signer) bool { return bytes.Equal(other.PublicKey().Marshal(), blob) }) {
		return
	}
	o.signers = append(o.signers, s)
	key, kind := s.PublicKey(), ""
	if cert, ok := key.(*ssh.Certificate); ok {
		key, kind = cert.Key, "certificate of "
	}
	o.names = append(o.names, kind+ssh.FingerprintSHA256(key)+" ("+source+")")
}

// collect gathers the keys for a host in OpenSSH's order: those that were asked for, then the rest of the agent, then the usual files. The agent's signers work only while its connection is open.
func (d *Dialer) collect(s settings, fromAgent []ssh.Signer) *offer {
	o := &offer{}
	explicit := slices.Concat(d.cfg.Identities, s.identities)
	var certs []*ssh.Certificate
	for _, path := range s.certificates {
		pub, err := readPublic(path)
		if cert, ok := pub.(*ssh.Certificate); ok {
			certs = append(certs, cert)
		} else {
			o.notes = append(o.notes, fmt.Sprintf("CertificateFile %s holds no certificate (%v)", path, err))
		}
	}
	for _, path := range explicit {
		o.addFile(d.keys.load(path), fromAgent, certs, true)
	}
	if !s.identitiesOnly {
		for _, signer := range fromAgent {
			o.addWithCerts(signer, "agent", certs)
		}
	}
	if len(s.identities) == 0 {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			o.addFile(d.keys.load(d.local.dotSSH(name)), fromAgent, certs, false)
		}
	}
	return o
}

// addFile offers a key file, through the agent where that holds the key.
func (o *offer) addFile(f *keyFile, fromAgent []ssh.Signer, certs []*ssh.Certificate, required bool) {
	signer := f.signer
	if f.public != nil {
		for _, a := range fromAgent {
			if bytes.Equal(a.PublicKey().Marshal(), f.public.Marshal()) {
				signer = a
			}
		}
	}
	if signer != nil {
		if f.cert != nil {
			certs = append(slices.Clone(certs), f.cert)
		}
		o.addWithCerts(signer, f.path, certs)
		return
	}
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(f.err, &locked):
		o.notes = append(o.notes, fmt.Sprintf("the key %s is encrypted and not in an agent: ssh-add %s", f.path, f.path))
	case required || !errors.Is(f.err, fs.ErrNotExist):
		o.notes = append(o.notes, fmt.Sprintf("the key %s cannot be used: %v", f.path, f.err))
	}
}

// addWithCerts offers a key with each certificate made for it, then bare.
func (o *offer) addWithCerts(s ssh.Signer, source string, certs []*ssh.Certificate) {
	for _, cert := range certs {
		if !bytes.Equal(cert.Key.Marshal(), s.PublicKey().Marshal()) {
			continue
		}
		if cs, err := ssh.NewCertSigner(cert, s); err == nil {
			o.add(cs, source)
		}
	}
	o.add(s, source)
}

// openAgent connects to the agent at path and lists its keys; without an agent, both are nil. The connection is to be closed when the login is over.
func openAgent(ctx context.Context, path string) (net.Conn, []ssh.Signer, error) {
	if path == "" {
		return nil, nil, nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, signers, nil
}

// agentNote says why an agent was of no use.
func agentNote(path string, err error) string {
	return "the agent at " + path + " did not answer: " + strings.TrimSpace(err.Error())
}
