package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

const (
	protoGRPC = "h2"
	protoOwn  = "tlaunch-remote"
	protoJoin = "tlaunch-join/1"
)

// Security is who may speak to whom on the links of one endpoint.
type security struct {
	current func() (*sides, error) // asked at each handshake; nil for plaintext
	run     string                 // not "" when certificates are those of a run
}

// sides are how to dial and how to serve.
type sides struct{ client, server *tls.Config }

func newSecurity(cfg Config) (*security, error) {
	s := &security{}
	get := cfg.GetTLS
	switch {
	case cfg.InsecurePlaintext:
		return s, nil
	case cfg.Credentials != nil:
		own, err := cfg.Credentials.TLS(cfg.Now)
		if err != nil {
			return nil, err
		}
		s.run = cfg.Credentials.Run
		get = func() (*tls.Config, error) { return own, nil }
	case cfg.TLS != nil:
		get = func() (*tls.Config, error) { return cfg.TLS, nil }
	}
	sidesOf := func() (*sides, error) {
		base, err := get()
		if err == nil {
			err = checkTLS(base)
		}
		if err != nil {
			return nil, fmt.Errorf("remote: no configuration of TLS for a handshake: %w", err)
		}
		return newSides(base, cfg.Now), nil
	}
	first, err := sidesOf()
	if err != nil {
		return nil, err
	}
	s.current = sidesOf
	if cfg.GetTLS == nil {
		s.current = func() (*sides, error) { return first, nil }
	}
	return s, nil
}

// checkTLS refuses a configuration of the user's that would let in strangers, or nobody.
func checkTLS(c *tls.Config) error {
	switch {
	case c == nil:
		return errors.New("remote: a nil *tls.Config")
	case len(c.Certificates) == 0 && (c.GetCertificate == nil || c.GetClientCertificate == nil):
		return errors.New("remote: Config.TLS needs a certificate to serve and to dial with")
	case c.InsecureSkipVerify && c.VerifyConnection == nil:
		return errors.New("remote: Config.TLS must verify its peers")
	case c.ClientCAs == nil: // without it, whoever has a certificate of any public authority would be let in
		return errors.New("remote: Config.TLS needs ClientCAs, the authorities of those who may come in")
	}
	return nil
}

func newSides(user *tls.Config, now func() time.Time) *sides {
	base := user.Clone()
	if base.Time == nil {
		base.Time = now
	}
	base.NextProtos = []string{protoOwn, protoGRPC}
	base.MinVersion = max(base.MinVersion, tls.VersionTLS12)

	members := base.Clone()
	members.ClientAuth = tls.RequireAndVerifyClientCert
	members.GetConfigForClient = nil
	joiners := members.Clone()
	joiners.NextProtos = []string{protoJoin}
	joiners.ClientAuth = tls.NoClientCert
	joiners.VerifyConnection = nil // there is nobody to verify yet

	server := members.Clone()
	server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == protoJoin {
			return joiners, nil
		}
		if base.GetConfigForClient == nil {
			return members, nil
		}
		chosen, err := base.GetConfigForClient(hello)
		if err != nil || chosen == nil {
			return members, err
		}
		chosen = chosen.Clone()
		chosen.NextProtos, chosen.ClientAuth = members.NextProtos, members.ClientAuth
		if chosen.ClientCAs == nil {
			chosen.ClientCAs = members.ClientCAs
		}
		return chosen, nil
	}
	return &sides{client: base, server: server}
}

// serve does the server's half of the handshake and tells which protocol was agreed.
func (s *security) serve(ctx context.Context, raw net.Conn) (*secured, string, error) {
	if s.current == nil {
		return sniff(ctx, raw)
	}
	now, err := s.current()
	if err != nil {
		return nil, "", err
	}
	conn := tls.Server(&gatherer{Conn: raw}, now.server)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, "", err
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol == protoJoin {
		return newSecured(conn), protoJoin, nil
	}
	sc, err := s.known(conn, state, now)
	return sc, language(state), err
}

// language is what was agreed on under TLS. Those who agreed on nothing are stock peers.
func language(state tls.ConnectionState) string {
	if state.NegotiatedProtocol == protoOwn {
		return protoOwn
	}
	return protoGRPC
}

// sniff finds out from its first bytes what a caller in plaintext speaks.
func sniff(ctx context.Context, raw net.Conn) (*secured, string, error) {
	sc := newSecured(raw)
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	first := make([]byte, len(helloMagic))
	if _, err := io.ReadFull(raw, first); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, "", err
	}
	sc.first = first
	switch string(first) {
	case helloMagic:
		return sc, protoOwn, nil
	case prefaceBegins:
		return sc, protoGRPC, nil
	}
	return nil, "", fmt.Errorf("%w: it begins with %q, which is no language spoken here without TLS", errFirstMessage, first)
}

// prefaceBegins is what every client of HTTP/2 begins with: RFC 9113, section 3.4.
const prefaceBegins = "PRI * HT"

// dial does the client's half of the handshake with the process at address, and tells which protocol was agreed; in plaintext, where
// nothing is, it is our own.
func (s *security) dial(ctx context.Context, raw net.Conn, address string) (*secured, string, error) {
	if s.current == nil {
		return newSecured(raw), protoOwn, nil
	}
	now, err := s.current()
	if err != nil {
		return nil, "", err
	}
	config := now.client
	if config.ServerName == "" && !config.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, "", fmt.Errorf("%w: Config.TLS has no ServerName and %q no host: %w", ErrRefused, address, err)
		}
		config = config.Clone()
		config.ServerName = host
	}
	conn := tls.Client(&gatherer{Conn: raw}, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, "", err
	}
	state := conn.ConnectionState()
	sc, err := s.known(conn, state, now)
	return sc, language(state), err
}

func (s *security) known(conn net.Conn, state tls.ConnectionState, now *sides) (*secured, error) {
	sc := newSecured(conn)
	sc.info.secure, sc.info.oneName = true, now.client.ServerName != ""
	if len(state.PeerCertificates) > 0 {
		sc.info.leaf = state.PeerCertificates[0]
	}
	if s.run != "" {
		id, err := memberOf(s.run, state)
		if err != nil {
			return nil, err
		}
		sc.info.member = &id
	}
	return sc, nil
}

// secured is a connection whose other end is known, on its way to a link.
type secured struct {
	net.Conn
	info    peerInfo
	network string                      // from which it was accepted; empty: it was dialled
	first   []byte                      // what was read to find out what it speaks
	alert   atomic.Pointer[net.OpError] // with which the other end broke off

	gone    atomic.Bool // the other end has hung up
	leaving sync.Once
	left    func() // is told of the first Close; nil: nobody
}

func newSecured(conn net.Conn) *secured {
	return &secured{Conn: conn, info: peerInfo{pulse: newPulse()}}
}

// Close ends the connection.
func (c *secured) Close() error {
	if c.left != nil {
		c.leaving.Do(c.left)
	}
	return c.Conn.Close()
}

// Read notes why the other end broke off: under TLS 1.3 a client learns on its first read that it was refused, and
// gRPC passes that on as text only.
func (c *secured) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.info.pulse.heard()
	}
	if err != nil && weightOf(err) == hangUp {
		c.gone.Store(true)
	}
	var op *net.OpError
	if err != nil && errors.As(err, &op) && op.Op == "remote error" {
		c.alert.Store(op)
	}
	return n, err
}

// peerInfo tells the handlers of gRPC who is at the other end.
type peerInfo struct {
	secure  bool
	oneName bool              // all certificates have the same, by the user's configuration
	member  *Identity         // of the run, or nil
	leaf    *x509.Certificate // nil in plaintext
	pulse   *pulse
}

// A pulse says when the other end of a connection was last heard. Times are counted from its making.
type pulse struct {
	made time.Time
	last atomic.Int64
	used atomic.Bool // a stream has begun, of a connection over gRPC
}

func newPulse() *pulse { return &pulse{made: time.Now()} }

func (p *pulse) now() time.Duration { return time.Since(p.made) }
func (p *pulse) heard()             { p.last.Store(int64(p.now())) }

// AuthType is part of gRPC's AuthInfo.
func (peerInfo) AuthType() string { return "tlaunch" }

// GetCommonAuthInfo tells gRPC how the connection is protected.
func (i peerInfo) GetCommonAuthInfo() credentials.CommonAuthInfo {
	if i.secure {
		return credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
	}
	return credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}
}

// handedOver tells gRPC that the handshake is done.
type handedOver struct{}

var (
	_ credentials.TransportCredentials = handedOver{}

	errNotSecured = errors.New("remote: connection did not pass the handshake")
)

func (handedOver) ClientHandshake(_ context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return handedOver{}.ServerHandshake(c)
}

func (handedOver) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	sc, ok := c.(*secured)
	if !ok {
		return nil, nil, errNotSecured
	}
	return sc, sc.info, nil
}

func (handedOver) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tlaunch"}
}
func (handedOver) Clone() credentials.TransportCredentials { return handedOver{} }
func (handedOver) OverrideServerName(string) error         { return nil }

func firstCertificate(encoded []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(encoded)
	if block == nil {
		return nil, errors.New("remote: no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}
