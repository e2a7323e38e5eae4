package remote

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	pb "github.com/asynkron/protoactor-go/remote"
)

// trustPair is two endpoints in memory of which only b listens, each with its own credentials.
func trustPair(t *testing.T, a, b *Credentials, change func(a, b *Config)) *pair {
	n := newNetwork()
	p := &pair{}
	ca, cb := p.configs("a:1", "b:1")
	ca.Credentials, cb.Credentials = a, b
	ca.Dial, cb.Dial = n.dial, n.dial
	if change != nil {
		change(&ca, &cb)
	}
	p.a, p.b = start(t, ca), start(t, cb)
	serve(t, p.b, n.listen("b:1"))
	return p
}

func (p *pair) try(t *testing.T) error {
	_, pid := newInbox(t, p.b, "target", 16)
	return p.a.Send(within(t, 5*time.Second), pid, nil, text("let me in"))
}

func TestOtherRunIsRefusedByBoth(t *testing.T) {
	one, other := newAuthority(t, "run-1"), newAuthority(t, "run-2")
	p := trustPair(t, issue(t, one, RoleHost, "a", 1), issue(t, other, RoleHost, "b", 1), nil)
	err := p.try(t)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorIs(t, err, ErrRefused)
	require.EqualValues(t, 1, p.a.Stats().Refused[RefusedIdentity])

	// And when the caller does not mind whom it calls, the one who is called does.
	careless, err := issue(t, one, RoleHost, "a", 1).TLS(nil)
	require.NoError(t, err)
	careless.InsecureSkipVerify, careless.VerifyConnection = true, nil
	require.Error(t, call(t, p.b, careless))
	refusedOnce(t, p.b, RefusedIdentity)
}

// refusedOnce waits until e has counted one refusal: a caller may learn of it a moment before.
func refusedOnce(t *testing.T, e *Endpoint, reason Reason) {
	t.Helper()
	require.Eventually(t, func() bool { return e.Stats().Refused[reason] == 1 }, patience, time.Millisecond)
}

// call opens a stream to e over TLS as told and waits for any answer.
func call(t *testing.T, e *Endpoint, c *tls.Config) error {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+e.cfg.Address, grpc.WithTransportCredentials(credentials.NewTLS(c)),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return e.cfg.Dial(ctx, address) }))
	require.NoError(t, err)
	defer cc.Close()
	stream, err := pb.NewRemotingClient(cc).Receive(within(t, 5*time.Second))
	if err != nil {
		return err
	}
	_ = stream.Send(connectRequest("stranger", "stranger:1"))
	_, err = stream.Recv()
	return err
}

func connectRequest(system, address string) *pb.RemoteMessage {
	return &pb.RemoteMessage{MessageType: &pb.RemoteMessage_ConnectRequest{ConnectRequest: &pb.ConnectRequest{
		ConnectionType: &pb.ConnectRequest_ServerConnection{
			ServerConnection: &pb.ServerConnection{SystemId: system, Address: address}},
	}}}
}

func TestNoCertificateIsRefused(t *testing.T) {
	p := trustPair(t, issue(t, newAuthority(t, "run-1"), RoleHost, "a", 1), issue(t, newAuthority(t, "run-2"), RoleHost, "b", 1), nil)
	require.Error(t, call(t, p.b, &tls.Config{InsecureSkipVerify: true}))
	refusedOnce(t, p.b, RefusedHandshake)
}

func TestPlaintextIsRefused(t *testing.T) {
	authority := newAuthority(t, "run-1")
	p := trustPair(t, nil, issue(t, authority, RoleHost, "b", 1), func(a, _ *Config) { a.InsecurePlaintext = true })
	require.ErrorIs(t, p.try(t), ErrUnreachable)
	require.Eventually(t, func() bool { return p.b.Stats().Refused[RefusedHandshake] == 2 }, patience, time.Millisecond,
		"once in our own language, and once in gRPC")
}

func TestExpiredIsRefused(t *testing.T) {
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	authority, err := NewAuthority("run-1", clock)
	require.NoError(t, err)
	valid := issue(t, authority, RoleHost, "b", 1)
	set := func(a, b *Config) { a.Now, b.Now = clock, clock }

	require.NoError(t, trustPair(t, issue(t, authority, RoleHost, "a", 1), valid, set).try(t), "by the run's clock, not ours")

	authority.Lifetime = -time.Minute
	expired := issue(t, authority, RoleHost, "a", 1)
	require.ErrorIs(t, trustPair(t, expired, valid, set).try(t), ErrRefused)
	require.ErrorIs(t, trustPair(t, valid, expired, set).try(t), ErrRefused)
}

func TestIdentityMustFit(t *testing.T) {
	authority := newAuthority(t, "run-1")
	a, b := issue(t, authority, RoleHost, "alice", 1), issue(t, authority, RoleHost, "bob", 1)
	expect := func(address, name string) func(string) (string, bool) {
		return func(at string) (string, bool) { return name, at == address }
	}
	t.Run("caller finds another name", func(t *testing.T) {
		p := trustPair(t, a, b, func(c, _ *Config) { c.Expect = expect("b:1", "carol") })
		require.ErrorIs(t, p.try(t), ErrRefused)
	})
	t.Run("called one finds another name", func(t *testing.T) {
		p := trustPair(t, a, b, func(_, c *Config) { c.Expect = expect("a:1", "carol") })
		err := p.try(t)
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorIs(t, err, ErrUnreachable)
		refusedOnce(t, p.b, RefusedIdentity)
		again := p.a.Send(within(t, 5*time.Second), p.pid("b:1"), nil, text("again"))
		require.Equal(t, err, again, "no second try in a row")
		refusedOnce(t, p.b, RefusedIdentity)
	})
	t.Run("as expected", func(t *testing.T) {
		p := trustPair(t, a, b, func(ca, cb *Config) {
			ca.Expect, cb.Expect = expect("b:1", "bob"), expect("a:1", "alice")
		})
		require.NoError(t, p.try(t))
	})
	t.Run("an address in use", func(t *testing.T) {
		p := trustPair(t, a, b, nil)
		require.NoError(t, p.try(t))
		mallory := start(t, Config{
			Address: "a:1", Credentials: issue(t, authority, RoleGuest, "mallory", 1), Dial: p.a.cfg.Dial,
		})
		require.ErrorIs(t, mallory.Send(within(t, 5*time.Second), p.pid("b:1"), nil, text("I am a")), ErrRefused)
	})
	t.Run("a guest of the same name", func(t *testing.T) {
		for _, expecting := range []bool{false, true} {
			p := trustPair(t, a, b, func(_, c *Config) {
				if expecting {
					c.Expect = expect("a:1", "alice")
				}
			})
			require.NoError(t, p.try(t))
			guest := start(t, Config{
				Address: "a:1", Credentials: issue(t, authority, RoleGuest, "alice", 9), Dial: p.a.cfg.Dial,
			})
			require.ErrorIs(t, guest.Send(within(t, 5*time.Second), p.pid("b:1"), nil, text("I am alice")), ErrRefused)
			require.Empty(t, p.bDowns, "nobody was replaced")
			require.NoError(t, p.a.Close(within(t, 5*time.Second)))
			receive(t, p.bDowns)
			again := start(t, Config{Address: "a:1", Credentials: guest.cfg.Credentials, Dial: p.a.cfg.Dial})
			err := again.Send(within(t, 5*time.Second), p.pid("b:1"), nil, text("alice has left"))
			require.ErrorIs(t, err, ErrRefused, "what was a host's is not for guests")
		}
	})
	t.Run("a guest gives way", func(t *testing.T) {
		p := trustPair(t, issue(t, authority, RoleGuest, "early", 9), b, nil)
		require.NoError(t, p.try(t))
		alice := start(t, Config{Address: "a:1", Credentials: a, Dial: p.a.cfg.Dial})
		require.NoError(t, alice.Send(within(t, 5*time.Second), p.pid("b:1"), nil, text("my address")))
		require.ErrorIs(t, receive(t, p.bDowns), errReplaced)
		in, pid := newInbox(t, alice, "x", 1)
		require.NoError(t, p.b.Send(within(t, 5*time.Second), pid, nil, text("for alice")))
		receive(t, in.user)
	})
	t.Run("two that claim an address at once", func(t *testing.T) {
		e := start(t, Config{Address: "e:1", Credentials: b, Dial: newNetwork().dial})
		p := e.peer("a:1")
		defer p.release()
		claim := func(c *Credentials) *link {
			l, id := e.newLink(nil), c.Identity()
			l.p, l.member = p, &id
			require.NoError(t, p.bind(id))
			return l
		}
		first, second := claim(a), claim(b)
		require.NoError(t, p.up(first))
		require.ErrorIs(t, p.up(second), ErrRefused)
		p.ended(first, nil, 0)
	})
	t.Run("an earlier incarnation", func(t *testing.T) {
		p := trustPair(t, issue(t, authority, RoleHost, "alice", 2), b, nil)
		require.NoError(t, p.try(t))
		zombie := start(t, Config{Address: "a:1", Credentials: a, Dial: p.a.cfg.Dial})
		require.ErrorIs(t, zombie.Send(within(t, 5*time.Second), p.pid("b:1"), nil, text("boo")), ErrRefused)
	})
	t.Run("a later incarnation takes over", func(t *testing.T) {
		p := trustPair(t, a, b, nil)
		require.NoError(t, p.try(t))
		heir := start(t, Config{
			Address: "a:1", Credentials: issue(t, authority, RoleHost, "alice", 2), Dial: p.a.cfg.Dial,
		})
		require.NoError(t, heir.Send(within(t, 5*time.Second), p.pid("b:1"), nil, text("hello")))
		require.ErrorIs(t, receive(t, p.bDowns), errReplaced)
		in, pid := newInbox(t, heir, "x", 1)
		require.NoError(t, p.b.Send(within(t, 5*time.Second), pid, nil, text("for the heir")))
		receive(t, in.user)
	})
}

func TestStockPeersCannotTakeAnAddressEither(t *testing.T) {
	authority := newAuthority(t, "run-1")
	n := newNetwork()
	b := start(t, Config{
		Address: "b:1", Credentials: issue(t, authority, RoleHost, "bob", 1), Dial: n.dial,
		Expect: func(address string) (string, bool) { return "alice", true },
	})
	serve(t, b, n.listen("b:1"))
	c, err := issue(t, authority, RoleGuest, "stranger", 1).TLS(nil)
	require.NoError(t, err)
	require.Equal(t, codes.PermissionDenied, status.Code(call(t, b, c)))
}

func TestIdentityText(t *testing.T) {
	for _, id := range []Identity{
		{"run-1", RoleHost, "host1", 1},
		{"a.b_c", RoleLauncher, "user@[::1]/x y%", 1<<64 - 1},
		{"R", RoleGuest, "größe", 0},
	} {
		u, err := url.Parse(id.String())
		require.NoError(t, err)
		got, err := parseIdentity(u)
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
	for _, s := range []string{
		"https://run/host/a/1", "tlaunch://run/host/a", "tlaunch://run/host/a/1/2", "tlaunch://run/host//1",
		"tlaunch://run/king/a/1", "tlaunch:///host/a/1", "tlaunch://run/host/a/-1", "tlaunch://r:1/host/a/1",
	} {
		u, err := url.Parse(s)
		require.NoError(t, err)
		_, err = parseIdentity(u)
		require.ErrorIs(t, err, ErrRefused, s)
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add("tlaunch://run/host/a/1")
	f.Add("tlaunch://run/host/%zz/1")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		id, err := parseIdentity(u)
		if err != nil {
			return
		}
		again, err := parseIdentity(id.uri())
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}

func TestCredentialsKeepTheirKeyToThemselves(t *testing.T) {
	c := issue(t, newAuthority(t, "run-1"), RoleHost, "a", 3)
	secret := string(c.KeyPEM)
	var logged logBuffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "c", *c)
	for _, s := range []string{fmt.Sprint(*c), fmt.Sprintf("%v %+v %#v %s", *c, c, *c, c), string(logged)} {
		require.NotContains(t, s, "PRIVATE")
		require.NotContains(t, s, secret)
		require.Contains(t, s, "tlaunch://run-1/host/a/3")
	}
	b, err := json.Marshal(c)
	require.NoError(t, err)
	var back Credentials
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, *c, back, "but encode whole")
}

type logBuffer []byte

func (b *logBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func TestCredentialsThatDoNotFitTogether(t *testing.T) {
	authority := newAuthority(t, "run-1")
	a, b := issue(t, authority, RoleHost, "a", 1), issue(t, authority, RoleHost, "b", 1)
	for name, c := range map[string]Credentials{
		"empty":       {},
		"other key":   {Run: a.Run, Role: a.Role, Name: a.Name, Incarnation: 1, CertPEM: a.CertPEM, KeyPEM: b.KeyPEM, RootPEM: a.RootPEM},
		"other claim": {Run: a.Run, Role: a.Role, Name: "b", Incarnation: 1, CertPEM: a.CertPEM, KeyPEM: a.KeyPEM, RootPEM: a.RootPEM},
		"no root":     {Run: a.Run, Role: a.Role, Name: a.Name, Incarnation: 1, CertPEM: a.CertPEM, KeyPEM: a.KeyPEM},
	} {
		_, err := c.TLS(nil)
		require.Error(t, err, name)
		_, err = New(Config{System: newSystem(), Address: "a:1", Credentials: &c})
		require.Error(t, err, name)
	}
	_, err := authority.Issue("king", "a", 1)
	require.Error(t, err)
	_, err = authority.Issue(RoleHost, "", 1)
	require.Error(t, err)
	_, err = authority.Sign([]byte("nonsense"), RoleHost, "a", 1)
	require.Error(t, err)
	_, err = NewAuthority("../run", nil)
	require.Error(t, err)
}
