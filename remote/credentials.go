package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Credentials make a process a member of a run. They are plain data, fit for any encoding, and secret: they print
// without their key.
type Credentials struct {
	Run         string
	Role        Role
	Name        string
	Incarnation uint64
	CertPEM     []byte
	KeyPEM      []byte
	RootPEM     []byte
}

// Identity returns what the credentials claim.
func (c Credentials) Identity() Identity {
	return Identity{Run: c.Run, Role: c.Role, Name: c.Name, Incarnation: c.Incarnation}
}

// String returns the identity, without the key.
func (c Credentials) String() string { return c.Identity().String() + " (key withheld)" }

// GoString is String: %#v shows no key either.
func (c Credentials) GoString() string { return c.String() }

// LogValue is String, for log/slog.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// TLS returns a configuration that serves and dials as this member and accepts members of the same run only, judged by
// the clock now; nil means time.Now. It serves stock Proto.Actor peers too: give it to credentials.NewTLS of gRPC.
func (c Credentials) TLS(now func() time.Time) (*tls.Config, error) {
	cert, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("remote: credentials of %s: %w", c.Identity(), err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.RootPEM) {
		return nil, fmt.Errorf("remote: credentials of %s: no certificate of the authority", c.Identity())
	}
	leaf := cert.Leaf
	id, err := certificateIdentity(leaf)
	if err != nil {
		return nil, err
	}
	if id != c.Identity() {
		return nil, fmt.Errorf("remote: the credentials are said to be of %s, their certificate says %s", c.Identity(), id)
	}
	// The root goes along so that a joiner, who knows only its hash, can see the chain end there.
	if root, err := firstCertificate(c.RootPEM); err == nil {
		cert.Certificate = append(cert.Certificate, root.Raw)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ServerName:   memberName,
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
		Time:         now,
		// Each link proves itself anew; a ticket would carry the verdict of an earlier clock.
		SessionTicketsDisabled: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := memberOf(c.Run, s)
			return err
		},
	}, nil
}

// memberOf returns the identity of the other end of a connection whose chain was verified.
func memberOf(run string, s tls.ConnectionState) (Identity, error) {
	if len(s.PeerCertificates) == 0 {
		return Identity{}, fmt.Errorf("%w: no certificate", ErrRefused)
	}
	id, err := certificateIdentity(s.PeerCertificates[0])
	if err != nil {
		return Identity{}, err
	}
	if id.Run != run {
		return Identity{}, fmt.Errorf("%w: %s is of another run than %s", ErrRefused, id, run)
	}
	return id, nil
}

// identityError reports whether a failed TLS handshake failed over who the ends are.
func identityError(err error) bool {
	var verification *tls.CertificateVerificationError
	return errors.As(err, &verification) || errors.Is(err, ErrRefused)
}
