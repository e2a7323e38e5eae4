package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

const (
	authorityLifetime = 365 * 24 * time.Hour
	clockSlack        = 5 * time.Minute // certificates are valid this long before they were made
)

// An Authority issues the certificates of one run. Its key lives in memory only, in the process that keeps the run.
// It is safe for concurrent use.
type Authority struct {
	// Lifetime is how long certificates issued from now on are valid. Zero: as long as the authority, a year. Negative
	// issues expired ones. Set it before the first use.
	Lifetime time.Duration

	run  string
	now  func() time.Time
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// NewAuthority makes a new authority for a run. A nil now means time.Now.
func NewAuthority(run string, now func() time.Time) (*Authority, error) {
	if err := (Identity{Run: run, Role: RoleLauncher, Name: "authority"}).validate(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("remote: key of the authority: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "tlaunch run " + run},
		NotBefore:             t.Add(-clockSlack),
		NotAfter:              t.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("remote: certificate of the authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("remote: certificate of the authority: %w", err)
	}
	return &Authority{run: run, now: now, key: key, cert: cert}, nil
}

// Run returns the id of the run.
func (a *Authority) Run() string { return a.run }

// Pin returns the SHA-256 of the authority's certificate, by which Join recognises the run.
func (a *Authority) Pin() [32]byte { return sha256.Sum256(a.cert.Raw) }

// Issue makes a key and a certificate for a member. Names may be used again with a higher incarnation.
func (a *Authority) Issue(role Role, name string, incarnation uint64) (Credentials, error) {
	keyPEM, csr, err := NewRequest()
	if err != nil {
		return Credentials{}, err
	}
	c, err := a.Sign(csr, role, name, incarnation)
	c.KeyPEM = keyPEM
	return c, err
}

// Sign certifies the key in a request made by NewRequest. What the request says about its maker is ignored: role, name
// and incarnation are the caller's decision. The returned credentials lack the key, which its owner adds.
func (a *Authority) Sign(csr []byte, role Role, name string, incarnation uint64) (Credentials, error) {
	id := Identity{Run: a.run, Role: role, Name: name, Incarnation: incarnation}
	if err := id.validate(); err != nil {
		return Credentials{}, err
	}
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return Credentials{}, fmt.Errorf("remote: certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return Credentials{}, fmt.Errorf("remote: certificate request: %w", err)
	}
	public, ok := request.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return Credentials{}, errors.New("remote: certificate request: the key must be ECDSA on P-256")
	}
	serial, err := newSerial()
	if err != nil {
		return Credentials{}, err
	}
	t := a.now()
	end := a.cert.NotAfter
	if a.Lifetime != 0 && t.Add(a.Lifetime).Before(end) {
		end = t.Add(a.Lifetime)
	}
	begin := t.Add(-clockSlack)
	if end.Before(begin) {
		begin = end
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "tlaunch " + string(role)},
		NotBefore:             begin,
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{memberName},
		URIs:                  []*url.URL{id.uri()},
	}, a.cert, public, a.key)
	if err != nil {
		return Credentials{}, fmt.Errorf("remote: certificate of %s: %w", id, err)
	}
	return Credentials{
		Run: a.run, Role: role, Name: name, Incarnation: incarnation,
		CertPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		RootPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}),
	}, nil
}

// NewRequest makes a key and a request for a certificate over it, for a process that joins a run.
func NewRequest() (keyPEM, csr []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("remote: new key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("remote: new key: %w", err)
	}
	csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("remote: certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), csr, nil
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("remote: serial number: %w", err)
	}
	return serial, nil
}
