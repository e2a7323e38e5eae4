package remote

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	pb "github.com/asynkron/protoactor-go/remote"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func helloOf(low, high int, address string, incarnation uint64, system string, most int, parcels bool) hello {
	return hello{
		minVersion: low, maxVersion: high, address: address, incarnation: incarnation, system: system, most: most, parcels: parcels,
		quota: 1 << 20, link: linkHello{id: 1, try: 1, called: "b:1"},
	}
}

// Section 2 of WIRE.md.
func TestHelloRoundTrip(t *testing.T) {
	h := helloOf(minVersion, maxVersion, "a:1", 7, "system", 1<<20, true)
	h.quota, h.link = 1<<22, linkHello{id: 1 << 63, try: 3, begun: true, received: 1 << 40, called: "b:1"}
	got, err := parseHello(h.append(nil))
	require.NoError(t, err)
	require.Equal(t, h, got)
	got, err = parseHello(append(h.append(nil), "of a later version"...))
	require.NoError(t, err)
	require.Equal(t, h, got)

	h.stream = streamHello{true, "consumer/0", "Upload"} // section 11
	got, err = parseHello(append(h.append(nil), "of a later version"...))
	require.NoError(t, err)
	require.Equal(t, h, got)
	h.maxVersion, h.stream = versionTraced, streamHello{}
	got, err = parseHello(append(h.append(nil), 1, 1, 'n', 1, 'm'))
	require.NoError(t, err)
	require.Equal(t, h, got, "an older version knows of no streams")
}

func TestHelloRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for name, h := range map[string]hello{
		"later versions":   helloOf(5, 9, "a:1", 7, "s", 1, true),
		"an older version": helloOf(1, 1, "a:1", 7, "s", 1, true),
		"upside down":      helloOf(3, 2, "a:1", 7, "s", 1, true),
		"version zero":     helloOf(0, 0, "a:1", 7, "s", 1, true),
	} {
		_, err := parseHello(h.append(nil))
		require.ErrorIs(t, err, ErrVersion, name)
	}
	_, err := parseHello(nil)
	require.ErrorIs(t, err, ErrVersion)
	_, err = parseHello([]byte{2, 2, 200})
	require.ErrorIs(t, err, errFirstMessage, "cut off")
	purposes := helloOf(2, maxVersion, "a:1", 7, "s", 1, true).append(nil)
	_, err = parseHello(append(purposes[:len(purposes)-1], 2))
	require.ErrorIs(t, err, errFirstMessage, "what it wants is not known")
	_, err = parseHello(append(purposes[:len(purposes)-1], 1, 9, 'x'))
	require.ErrorIs(t, err, errFirstMessage, "a stream to a name that is cut off")
	_, err = parseHello(helloOf(2, 2, "a:1", 7, "s", 0, true).append(nil))
	require.ErrorIs(t, err, errFirstMessage, "a peer that takes nothing")
	h, err := parseHello(helloOf(2, 9, "a:1", 7, "s", 1, true).append(nil))
	require.NoError(t, err, "the ranges overlap")
	require.Equal(t, maxVersion, h.maxVersion)
	_, err = parseHello(binary.AppendUvarint(binary.AppendUvarint(nil, 5), 6))
	require.ErrorIs(t, err, ErrVersion, "what a later version says beside its range is not looked at")
}

func FuzzParseHello(f *testing.F) {
	f.Add(helloOf(2, 2, "a:1", 0, "s", 1, true).append(nil))
	f.Add(helloOf(2, 3, "", 1<<64-1, "", 1<<30, true).append(nil))
	wants := helloOf(2, versionStreams, "a:1", 1, "s", 1, true)
	f.Add(wants.append(nil))
	wants.stream = streamHello{true, "b/0", "Upload"}
	f.Add(wants.append(nil))
	f.Fuzz(func(t *testing.T, block []byte) {
		h, err := parseHello(block)
		if err != nil {
			return
		}
		again, err := parseHello(h.append(nil))
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}

// answered shakes hands with e as somebody who says this.
func answered(t *testing.T, e *Endpoint, dial func(context.Context, string) (net.Conn, error), block []byte) (verdict, string) {
	t.Helper()
	c, err := dial(within(t, 5*time.Second), e.cfg.Address)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, writeHello(c, block))
	answer, err := readHello(c)
	require.NoError(t, err)
	require.NotEmpty(t, answer)
	text := cursor{b: answer[1:]}
	return verdict(answer[0]), text.text(helloLimit)
}

func TestUnknownVersionIsRefusedByBoth(t *testing.T) {
	p := memoryPair(t, nil)
	v, why := answered(t, p.b, p.a.cfg.Dial, helloOf(8, 9, "c:1", 1, "s", 1, true).append(nil))
	require.Equal(t, byVersion, v)
	require.Contains(t, why, "the peer speaks 8 to 9")
	require.Eventually(t, func() bool { return p.b.Stats().Refused[RefusedVersion] == 1 }, patience, time.Millisecond)

	// The other way: a server of the future.
	n := newNetwork()
	l := n.listen("f:1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := readHello(c); err == nil {
				_ = writeHello(c, addText([]byte{byte(byVersion)}, "the peer speaks 1 to 1"))
			}
			c.Close()
		}
	}()
	defer func() {
		_ = l.Close()
		<-done
	}()
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial})
	err := e.Send(within(t, 5*time.Second), p.pid("f:1"), nil, text("?"))
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorIs(t, err, ErrUnreachable)
	require.EqualValues(t, 1, e.Stats().Refused[RefusedVersion])
}

func TestHelloThatMakesNoSense(t *testing.T) {
	p := memoryPair(t, nil)
	for want, block := range map[verdict][]byte{
		byHandshake: {2, 2, 200},
		byVersion:   {},
		byIdentity:  helloOf(2, 2, "a b", 1, "s", 1, true).append(nil),
		byAlias:     helloOf(2, 2, "c:1", 1, p.b.system.ID, 1, false).append(nil),
	} {
		got, _ := answered(t, p.b, p.a.cfg.Dial, block)
		require.Equal(t, want, got)
	}
	got, _ := answered(t, p.b, p.a.cfg.Dial, helloOf(2, 2, "b:1", 1, "s", 1, true).append(nil))
	require.Equal(t, byIdentity, got, "our own address")

	c, err := p.a.cfg.Dial(within(t, 5*time.Second), "b:1")
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte(helloMagic + "\xff\xff"))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err, "too long: hung up on")
	require.Eventually(t, func() bool { return p.b.Stats().Refused[RefusedHandshake] >= 2 }, patience, time.Millisecond)
}

// Section 1 of WIRE.md: what stock peers get.
func TestWhatGRPCIsRefused(t *testing.T) {
	p := memoryPair(t, nil)
	cc, err := grpc.NewClient("passthrough:///b:1", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.a.cfg.Dial(ctx, "b:1") }))
	require.NoError(t, err)
	defer cc.Close()
	client, ctx := pb.NewRemotingClient(cc), within(t, 5*time.Second)
	boast := metadata.AppendToOutgoingContext(ctx, "boast", strings.Repeat("x", 2*headerBytes))
	stream, err := client.Receive(boast)
	if err == nil {
		_, err = stream.Recv()
	}
	require.Error(t, err)
	require.Empty(t, p.b.Stats().Refused, "it was not even looked at")
	_, err = client.ListProcesses(ctx, &pb.ListProcessesRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = client.GetProcessDiagnostics(ctx, &pb.GetProcessDiagnosticsRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
}

func TestFirstMessageMustBeAConnectRequest(t *testing.T) {
	p := memoryPair(t, nil)
	in, _ := newInbox(t, p.b, "x", 1)
	cc, err := grpc.NewClient("passthrough:///b:1", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.a.cfg.Dial(ctx, "b:1") }))
	require.NoError(t, err)
	defer cc.Close()
	for name, m := range map[string]*pb.RemoteMessage{
		"batch": {MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: stringBatch()}},
		"empty": {},
		"client": {MessageType: &pb.RemoteMessage_ConnectRequest{ConnectRequest: &pb.ConnectRequest{
			ConnectionType: &pb.ConnectRequest_ClientConnection{ClientConnection: &pb.ClientConnection{SystemId: "x"}},
		}}},
	} {
		stream, err := pb.NewRemotingClient(cc).Receive(within(t, 5*time.Second))
		require.NoError(t, err, name)
		require.NoError(t, stream.Send(m), name)
		_, err = stream.Recv()
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}
	require.Empty(t, in.user)
}

// TestOwnCertificates: with the user's certificates an address is held to the names in them.
func TestOwnCertificates(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool, ClientCAs: pool,
	}
	p := tcpPair(t, func(a, b *Config) { a.TLS, b.TLS = config, config })
	in, pid := newInbox(t, p.b, "x", 4)
	require.NoError(t, p.a.Send(within(t, 5*time.Second), pid, nil, text("hello")))
	receive(t, in.user)

	undialled := start(t, Config{Address: "launcher.1", TLS: config})
	require.NoError(t, undialled.Send(within(t, 5*time.Second), pid, nil, text("hello")))
	receive(t, in.user)

	liar := start(t, Config{Address: "10.0.0.1:1", TLS: config})
	require.ErrorIs(t, liar.Send(within(t, 5*time.Second), pid, nil, text("hello")), ErrRefused)
}

func TestUrgentMessagesWaitForTheLinkInOrder(t *testing.T) {
	p := memoryPair(t, nil)
	in, pid := newInbox(t, p.b, "x", 100)
	for i := range 100 {
		require.NoError(t, p.a.SendNow(pid, nil, wrapperspb.Int32(int32(i))))
	}
	for i := range 100 {
		require.EqualValues(t, i, receive(t, in.user).Message.(*wrapperspb.Int32Value).Value)
	}
}
