package tlaunch

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/cluster"
)

// ownTLSOf makes a process's certificate by an authority that every process can make: a test's stand-in for files that
// lie on each host.
func ownTLSOf(host string) (*tls.Config, error) {
	authorityKey := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	from := time.Now().Add(-time.Hour)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: from, NotAfter: from.Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{"members.example"},
		NotBefore: from, NotAfter: from.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, public, authorityKey)
	if err != nil {
		return nil, err
	}
	self, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(self)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		RootCAs:      pool, ClientCAs: pool, ServerName: "members.example",
	}, nil
}

var ownTLSProgram = Define("test-own-tls", func(p *Program, rounds int) error {
	h := Add(p, "hub", &hub{}, On("host1"))
	Add(p, "spoke", &spoke{rounds, 1, h}, On("host2"))
	return nil
}, LocalHosts(2), TLS(ownTLSOf))

func TestOwnTLS(t *testing.T) {
	t.Parallel()
	run := launched(t, ownTLSProgram, 3, procs)
	_, err := run.Invite("guest", time.Minute)
	require.ErrorContains(t, err, "brings its own TLS")
	require.NoError(t, run.Wait(within(t)))
}

func TestOwnTLSThatFails(t *testing.T) {
	why := errors.New("no key on this host")
	build := func(p *Program, _ int) error { Add(p, "hub", &hub{}); return nil }
	_, err := define(t, "tls-fails", build, TLS(func(string) (*tls.Config, error) { return nil, why })).Launch(within(t), 0, procs)
	require.ErrorIs(t, err, why)
	require.Equal(t, StatusLaunch, ExitStatus(err))
	_, err = define(t, "tls-nil", build, TLS(func(string) (*tls.Config, error) { return nil, nil })).Launch(within(t), 0, procs)
	require.ErrorContains(t, err, "the program's TLS option for launcher: it returned nil")
}

func TestConsulThatIsAbsent(t *testing.T) {
	settings := cluster.ConsulSettings{Address: "127.0.0.1:1"}
	_, err := idleProgram.Launch(within(t), starConfig{}, procs, WithConsul(ConsulConfig{Settings: settings}))
	require.Equal(t, StatusLaunch, ExitStatus(err))
	require.ErrorContains(t, err, "127.0.0.1:1")

	addresses, err := addressesInConsul(within(t), ConsulConfig{Settings: settings}, "run-1")
	require.Error(t, err)
	require.Empty(t, addresses)
	i, err := invitation{Run: "run-1", Addresses: []string{"127.0.0.1:1"}}.text()
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = Redeem(ended, i, FindInConsul(ConsulConfig{Settings: settings}), ConnectLogger(nil))
	require.Error(t, err)
}
