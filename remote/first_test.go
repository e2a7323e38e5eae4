package remote

import (
	"bytes"
	"crypto/x509"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// saidConn is a connection on which so much was said, and then hung up.
type saidConn struct {
	net.Conn
	r *bytes.Reader
}

func (c saidConn) Read(b []byte) (int, error) { return c.r.Read(b) }
func (c saidConn) Close() error               { return nil }

// FuzzFirstBytes reads what a caller says first without TLS: sections 1 and 2 of WIRE.md.
func FuzzFirstBytes(f *testing.F) {
	f.Add(saidHello(evil.append(nil)))
	f.Add([]byte(helloMagic))
	f.Add(append([]byte(helloMagic), 0xff, 0xff))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		sc, protocol, err := sniff(t.Context(), saidConn{r: bytes.NewReader(b)})
		if err != nil {
			require.Nil(t, sc)
			return
		}
		require.Equal(t, protocol == protoOwn, bytes.HasPrefix(b, []byte(helloMagic)))
		if protocol != protoOwn {
			require.Equal(t, protoGRPC, protocol)
			return
		}
		block, err := readHello(sc)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(block), helloLimit)
		require.True(t, bytes.HasPrefix(b, saidHello(block)), "nothing comes out that did not go in")
	})
}

// FuzzRequest signs what somebody who was invited may ask to be signed.
func FuzzRequest(f *testing.F) {
	_, csr, err := NewRequest()
	require.NoError(f, err)
	f.Add(csr)
	f.Add(csr[:len(csr)/2])
	f.Add([]byte{})
	authority := newAuthority(f, "run-1")
	f.Fuzz(func(t *testing.T, csr []byte) {
		c, err := authority.Sign(csr, RoleGuest, "guest", 1)
		if err != nil {
			return
		}
		cert, err := firstCertificate(c.CertPEM)
		require.NoError(t, err)
		id, err := certificateIdentity(cert)
		require.NoError(t, err)
		require.Equal(t, Identity{Run: "run-1", Role: RoleGuest, Name: "guest", Incarnation: 1}, id, "whatever the request says of itself")
		require.False(t, cert.IsCA)
		require.Zero(t, cert.KeyUsage&x509.KeyUsageCertSign)
	})
}
