package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// userTLS is a configuration of the user's: a certificate of one authority, and trust in some.
func userTLS(t *testing.T, of *Authority, trusted ...*Authority) *tls.Config {
	t.Helper()
	c, err := issue(t, of, RoleHost, "somebody", 1).TLS(nil)
	require.NoError(t, err)
	c.VerifyConnection = nil // any name will do
	c.RootCAs = x509.NewCertPool()
	for _, a := range trusted {
		require.True(t, c.RootCAs.AppendCertsFromPEM(issue(t, a, RoleHost, "root", 1).RootPEM))
	}
	c.ClientCAs = c.RootCAs
	return c
}

// rotating gives whatever configuration is in it.
type rotating struct{ atomic.Pointer[tls.Config] }

var errNoFiles = errors.New("as if the files were being written")

func (r *rotating) get() (*tls.Config, error) {
	if c := r.Load(); c != nil {
		return c, nil
	}
	return nil, errNoFiles
}

// The user's certificates and authorities change while messages flow: links that are up go on, new ones are held to what holds now, on
// both sides, and who still has the old ones is refused.
func TestRotationUnderTraffic(t *testing.T) {
	ctx := within(t, 60*time.Second)
	was, is := newAuthority(t, "was"), newAuthority(t, "is")
	var ours rotating
	ours.Store(userTLS(t, was, was))
	n := newNetwork()
	begin := func(address string, cfg Config) *Endpoint {
		cfg.Address, cfg.Dial = address, n.dial
		e := start(t, cfg)
		serve(t, e, n.listen(address))
		return e
	}
	e := begin("e:1", Config{GetTLS: ours.get})
	in, pid := newInbox(t, e, "x", 1)
	first := begin("a:1", Config{TLS: userTLS(t, was, was)})
	stop, sent := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := int64(0); ; i++ {
			if err := first.Send(ctx, pid, nil, wrapperspb.Int64(i)); err != nil {
				sent <- err
				return
			}
			select {
			case <-stop:
				sent <- nil
				return
			default:
			}
		}
	}()
	next := int64(0)
	flows := func() {
		t.Helper()
		for range 200 {
			require.Equal(t, next, receive(t, in.user).Message.(*wrapperspb.Int64Value).Value)
			next++
		}
	}
	connects := func(from *Endpoint, to string) {
		t.Helper()
		require.NoError(t, from.Connect(ctx, to))
	}
	flows()

	ours.Store(userTLS(t, was, was, is)) // the new authority is trusted before anybody has its certificates
	flows()
	second := begin("b:1", Config{TLS: userTLS(t, is, was, is)})
	connects(second, "e:1")
	ours.Store(userTLS(t, is, was, is))
	flows()
	third := begin("c:1", Config{TLS: userTLS(t, is, is)})
	connects(e, "c:1") // we dial with the new certificate, too
	require.Equal(t, 1, third.Stats().Peers[0].Links)

	ours.Store(userTLS(t, is, is)) // the old one is trusted no more
	late := begin("d:1", Config{TLS: userTLS(t, was, was, is)})
	require.ErrorIs(t, late.Connect(ctx, "e:1"), ErrRefused)
	counted := func(n uint64) {
		t.Helper()
		require.Eventually(t, func() bool { return e.Stats().Refused[RefusedHandshake] >= n }, 30*time.Second, time.Millisecond, "the caller may know first")
	}
	counted(1) // it shows no certificate where it has none of an authority that is asked for
	require.ErrorIs(t, e.Connect(ctx, "d:1"), ErrRefused)

	ours.Store(nil)
	fourth := begin("f:1", Config{TLS: userTLS(t, is, is)})
	require.ErrorIs(t, fourth.Connect(ctx, "e:1"), ErrUnreachable)
	require.ErrorIs(t, e.Connect(ctx, "f:1"), errNoFiles)
	counted(2)
	ours.Store(userTLS(t, is, is))
	require.Eventually(t, func() bool { return fourth.Connect(ctx, "e:1") == nil }, 30*time.Second, time.Millisecond)
	flows()
	close(stop)
	closed := make(chan error, 1)
	go func() { closed <- errors.Join(<-sent, first.Close(ctx)) }()
	for {
		select {
		case err := <-closed:
			require.NoError(t, err)
			return
		case m := <-in.user: // what it had sent before
			require.Equal(t, next, m.Message.(*wrapperspb.Int64Value).Value)
			next++
		}
	}
}

func TestConfigurationsOfTLSThatWillNotDo(t *testing.T) {
	good := func() *tls.Config { return userTLS(t, newAuthority(t, "r")) }
	for name, spoil := range map[string]func(c *tls.Config){
		"no certificate": func(c *tls.Config) { c.Certificates = nil },
		"only one to serve": func(c *tls.Config) {
			c.Certificates, c.GetCertificate = nil, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		},
		"peers are not checked": func(c *tls.Config) { c.InsecureSkipVerify = true },
		"whoever wants":         func(c *tls.Config) { c.ClientCAs = nil },
	} {
		c := good()
		spoil(c)
		_, err := New(Config{System: newSystem(), Address: "a:1", TLS: c})
		require.Error(t, err, name)
		_, err = New(Config{System: newSystem(), Address: "a:1", GetTLS: func() (*tls.Config, error) { return c, nil }})
		require.Error(t, err, name)
	}
	_, err := New(Config{System: newSystem(), Address: "a:1", GetTLS: func() (*tls.Config, error) { return nil, nil }})
	require.Error(t, err)
	_, err = New(Config{System: newSystem(), Address: "a:1", TLS: good(), GetTLS: func() (*tls.Config, error) { return good(), nil }})
	require.Error(t, err, "one or the other")
	require.NoError(t, start(t, Config{Address: "a:1", TLS: good()}).Close(t.Context()))
}

// However many connections one address opens, another gets in; each refusal is counted.
func TestOneAddressDoesNotTakeAllPlaces(t *testing.T) {
	p := newPlaces(4, 2)
	require.Empty(t, p.take("a"))
	require.Empty(t, p.take("a"))
	require.Equal(t, RefusedAddressLimit, p.take("a"))
	require.Empty(t, p.take("b"))
	require.Empty(t, p.take("c"))
	require.Equal(t, RefusedLimit, p.take("d"))
	require.Equal(t, 4, p.count())
	p.leave("a")
	require.Empty(t, p.take("d"))
	for _, who := range []string{"a", "b", "c", "d"} {
		p.leave(who)
	}
	require.Zero(t, p.count())
	require.Empty(t, p.from, "nothing is kept of those who are gone")

	for host, network := range map[string]string{
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "::ffff:10.0.0.1", "fe80::1%eth0": "fe80::/64", "2001:db8::1": "2001:db8::/64",
		"2001:db8::ffff:1": "2001:db8::/64", "pipe": "pipe",
	} {
		require.Equal(t, network, networkOf(host))
	}
}

func TestHandshakesAndConnectionsOfOneAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e := start(t, Config{
		Address: l.Addr().String(), InsecurePlaintext: true, MaxHandshakes: 4, MaxConnections: 8, MaxConnectionsPerAddress: 1, HandshakeTimeout: time.Minute,
	})
	serve(t, e, l)
	ctx := within(t, 60*time.Second)
	dial := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	silent := []net.Conn{dial(), dial()}
	require.Eventually(t, func() bool { return e.Stats().Handshakes == 2 }, 30*time.Second, time.Millisecond)
	_, err = dial().Read(make([]byte, 1))
	require.Error(t, err, "it is hung up on, and counted before that")
	require.EqualValues(t, 1, e.Stats().Refused[RefusedAddressLimit])
	for _, c := range silent {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool { return e.Stats().Handshakes == 0 }, 30*time.Second, time.Millisecond)

	first := start(t, Config{Address: "a:1", InsecurePlaintext: true})
	second := start(t, Config{Address: "b:1", InsecurePlaintext: true})
	require.NoError(t, first.Connect(ctx, e.cfg.Address))
	require.ErrorIs(t, second.Connect(ctx, e.cfg.Address), errCrowded)
	require.EqualValues(t, 2, e.Stats().Refused[RefusedAddressLimit], "counted before it is told")
	require.NoError(t, first.Close(context.WithoutCancel(ctx)))
}
