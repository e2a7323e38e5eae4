package sshconn

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownHosts checks host keys with the lines of some known_hosts files.
type knownHosts struct {
	check       ssh.HostKeyCallback
	files       map[string]string  // where the library read a file, to its own name
	authorities map[KnownLine]bool // lines marked @cert-authority
}

// probeKey belongs to nobody; asking for it makes the library say which keys it would accept.
var probeKey = func() ssh.PublicKey {
	key, err := ssh.NewPublicKey(ed25519.PublicKey(bytes.Repeat([]byte{0x55}, ed25519.PublicKeySize)))
	if err != nil {
		panic("sshconn: a key of the right length is refused: " + err.Error())
	}
	return key
}()

// noRemote is the peer's address for a check by name: the library wants one, and looks at it only when the name is empty.
var noRemote = &net.TCPAddr{IP: net.IPv4zero, Port: 22}

// readKnownHosts reads the files that exist. Lines that cannot be read are skipped with a warning, as OpenSSH does, unless they are marked: who wrote @revoked wanted something refused.
func readKnownHosts(paths []string, log *slog.Logger) (*knownHosts, error) {
	k := &knownHosts{files: map[string]string{}, authorities: map[KnownLine]bool{}}
	var read []string
	for _, path := range slices.Compact(slices.Clone(paths)) {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("sshconn: known hosts: %w", err)
		}
		clean, bad, err := k.scan(path, text, log)
		if err != nil {
			return nil, err
		}
		from := path
		if bad {
			if from, err = temporary(clean); err != nil {
				return nil, fmt.Errorf("sshconn: known hosts: %w", err)
			}
			defer os.Remove(from)
		}
		k.files[from] = path
		read = append(read, from)
	}
	check, err := knownhosts.New(read...)
	if err != nil {
		return nil, fmt.Errorf("sshconn: known hosts: %w", err)
	}
	k.check = check
	return k, nil
}

// scan notes the authorities in a file and blanks the lines that the library would stumble over.
func (k *knownHosts) scan(path string, text []byte, log *slog.Logger) (clean []byte, bad bool, err error) {
	var out bytes.Buffer
	number := 0
	for line := range bytes.Lines(text) {
		number++
		trimmed := bytes.TrimSpace(line)
		if len(trimmed) == 0 || trimmed[0] == '#' {
			out.WriteByte('\n')
			continue
		}
		marker, _, _, _, _, perr := ssh.ParseKnownHosts(trimmed)
		switch {
		case perr != nil && trimmed[0] == '@':
			return nil, false, &ConfigError{File: path, Line: number, Text: string(trimmed[:min(len(trimmed), 60)]), Reason: "a marked line that cannot be read: " + perr.Error()}
		case perr != nil:
			log.Warn("line of known hosts skipped", "file", path, "line", number, "err", perr)
			bad = true
			out.WriteByte('\n')
			continue
		case marker == "cert-authority":
			k.authorities[KnownLine{path, number}] = true
		}
		out.Write(trimmed)
		out.WriteByte('\n')
	}
	return out.Bytes(), bad, nil
}

func temporary(text []byte) (string, error) {
	f, err := os.CreateTemp("", "known_hosts-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return filepath.Clean(f.Name()), errors.Join(err, f.Close())
}

// names are the addresses under which a host is looked up, as OpenSSH does: with its port first, then as if it had the usual one.
func names(s settings) []string {
	if s.hostKeyAlias != "" {
		return []string{joinHostPort(s.hostKeyAlias, 22)}
	}
	host := strings.ToLower(s.hostName)
	if s.port == 22 {
		return []string{joinHostPort(host, 22)}
	}
	return []string{joinHostPort(host, s.port), joinHostPort(host, 22)}
}

// lookup returns the lines for a host: those with its own keys and those of authorities.
func (k *knownHosts) lookup(s settings) (keys, authorities []knownhosts.KnownKey) {
	for _, name := range names(s) {
		var unknown *knownhosts.KeyError
		if !errors.As(k.check(name, noRemote, probeKey), &unknown) {
			continue
		}
		for _, w := range unknown.Want {
			if k.authorities[k.line(w)] {
				authorities = append(authorities, w)
			} else {
				keys = append(keys, w)
			}
		}
		if len(keys) > 0 {
			break
		}
	}
	return keys, authorities
}

func (k *knownHosts) line(w knownhosts.KnownKey) KnownLine {
	return KnownLine{File: k.files[w.Filename], Line: w.Line}
}

// algorithms are the host key algorithms to offer: those that known_hosts can verify come first, so that a host is not found changed only because it has keys of several types. Certificates
// are asked for only where an authority is known.
func (k *knownHosts) algorithms(s settings) []string {
	keys, authorities := k.lookup(s)
	var first, certs, plain []string
	for _, w := range keys {
		if t := w.Key.Type(); t == ssh.KeyAlgoRSA {
			first = append(first, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			first = append(first, t)
		}
	}
	plain = append(plain, ssh.KeyAlgoED25519)
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		if strings.Contains(a, "-cert-") {
			certs = append(certs, a)
		} else {
			plain = append(plain, a)
		}
	}
	all := slices.Concat(first, plain)
	if len(authorities) > 0 {
		all = slices.Concat(certs, all)
	}
	var out []string
	for _, a := range all {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// verify checks the key that a host has shown; a failure is a *HostKeyError.
func (k *knownHosts) verify(s settings, key ssh.PublicKey) error {
	var failure error
	for _, name := range names(s) {
		err := k.check(name, noRemote, key)
		if err == nil {
			return nil
		}
		var unknown *knownhosts.KeyError
		if failure == nil || errors.As(failure, &unknown) && len(unknown.Want) == 0 {
			failure = err
		}
		if errors.As(err, &unknown) && slices.ContainsFunc(unknown.Want, func(w knownhosts.KnownKey) bool { return !k.authorities[k.line(w)] }) {
			break // another key is known under this name: the plainer name must not overrule it
		}
	}
	return k.explain(s, key, failure)
}

// explain makes the library's verdict one that can be acted on.
func (k *knownHosts) explain(s settings, key ssh.PublicKey, verdict error) *HostKeyError {
	plain := key
	cert, isCert := key.(*ssh.Certificate)
	if isCert {
		plain = cert.Key
	}
	e := &HostKeyError{Host: s.name, Alias: s.alias, Addr: names(s)[0], Fingerprint: ssh.FingerprintSHA256(plain), Algorithm: key.Type(), Err: verdict}
	if len(s.knownHosts) > 0 {
		e.File = s.knownHosts[0]
	}
	var (
		unknown *knownhosts.KeyError
		revoked *knownhosts.RevokedError
	)
	switch {
	case errors.As(verdict, &revoked):
		e.Revoked, e.Want = true, []KnownLine{k.line(revoked.Revoked)}
	case errors.As(verdict, &unknown):
		var authorities []string
		for _, w := range unknown.Want {
			if line := k.line(w); k.authorities[line] {
				authorities = append(authorities, line.String())
			} else {
				e.Want = append(e.Want, line)
			}
		}
		e.Changed = len(e.Want) > 0
		if !e.Changed && len(authorities) > 0 {
			e.Note = "an authority is known at " + strings.Join(authorities, ", ") + ", but the host showed no certificate of it"
		}
	case isCert:
		e.Note = "its certificate is not accepted: " + verdict.Error()
	}
	if s.lax != nil {
		e.Note = strings.TrimPrefix(e.Note+"; StrictHostKeyChecking "+s.lax.value+" at "+KnownLine{s.lax.file, s.lax.line}.String()+" is not honoured", "; ")
	}
	return e
}

func joinHostPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}
