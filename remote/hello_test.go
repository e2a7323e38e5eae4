package remote

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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

func TestHelloRoundTrip(t *testing.T) {
	h := hello{minVersion, maxVersion, "a:1", 7}
	got, ok, err := parseHello(h.metadata())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, h, got)
	_, ok, err = parseHello(metadata.MD{"user-agent": {"stock"}})
	require.NoError(t, err)
	require.False(t, ok)
}

func TestHelloRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for name, change := range map[string]func(metadata.MD){
		"later versions":   func(md metadata.MD) { md.Set(versionKey, "2-9") },
		"no number":        func(md metadata.MD) { md.Set(versionKey, "one") },
		"upside down":      func(md metadata.MD) { md.Set(versionKey, "2-1") },
		"version zero":     func(md metadata.MD) { md.Set(versionKey, "0-0") },
		"huge":             func(md metadata.MD) { md.Set(versionKey, "1-99999999999999999999") },
		"no address":       func(md metadata.MD) { md.Delete(addressKey) },
		"two addresses":    func(md metadata.MD) { md.Append(addressKey, "b:1") },
		"empty address":    func(md metadata.MD) { md.Set(addressKey, "") },
		"no incarnation":   func(md metadata.MD) { md.Delete(incarnationKey) },
		"odd incarnations": func(md metadata.MD) { md.Set(incarnationKey, "-1") },
	} {
		md := hello{minVersion, maxVersion, "a:1", 7}.metadata()
		change(md)
		_, ok, err := parseHello(md)
		require.True(t, ok, name)
		require.ErrorIs(t, err, ErrVersion, name)
	}
	md := hello{minVersion, maxVersion, "a:1", 7}.metadata()
	md.Set(versionKey, "1-9")
	_, _, err := parseHello(md)
	require.NoError(t, err, "the ranges overlap")
}

func FuzzParseHello(f *testing.F) {
	f.Add("1-1", "a:1", "0")
	f.Add("1", "a:1", "18446744073709551615")
	f.Fuzz(func(t *testing.T, version, address, incarnation string) {
		h, ok, err := parseHello(metadata.MD{versionKey: {version}, addressKey: {address}, incarnationKey: {incarnation}})
		require.True(t, ok)
		if err != nil {
			return
		}
		again, _, err := parseHello(h.metadata())
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}

func TestUnknownVersionIsRefusedByBoth(t *testing.T) {
	p := memoryPair(t, nil)
	cc, err := grpc.NewClient("passthrough:///b:1", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.a.cfg.Dial(ctx, "b:1") }))
	require.NoError(t, err)
	defer cc.Close()
	ctx := metadata.NewOutgoingContext(within(t, 5*time.Second), hello{8, 9, "c:1", 1}.metadata())
	client := pb.NewRemotingClient(cc)
	stream, err := client.Receive(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(connectRequest("c", "c:1")))
	_, err = stream.Recv()
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.EqualValues(t, 1, p.b.Stats().Refused[RefusedVersion])

	boast := metadata.AppendToOutgoingContext(within(t, 5*time.Second), "boast", strings.Repeat("x", 2*headerBytes))
	stream, err = client.Receive(boast)
	if err == nil {
		_, err = stream.Recv()
	}
	require.Error(t, err)
	require.EqualValues(t, 1, p.b.Stats().Refused[RefusedVersion], "it was not even looked at")

	_, err = client.ListProcesses(ctx, &pb.ListProcessesRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = client.GetProcessDiagnostics(ctx, &pb.GetProcessDiagnosticsRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))

	// The other way: a server of the future.
	n := newNetwork()
	server := grpc.NewServer()
	pb.RegisterRemotingServer(server, &future{})
	done := make(chan error, 1)
	l := n.listen("f:1")
	go func() { done <- server.Serve(l) }()
	defer func() {
		server.Stop()
		<-done
	}()
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial})
	err = e.Send(within(t, 5*time.Second), p.pid("f:1"), nil, text("?"))
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorIs(t, err, ErrUnreachable)
}

type future struct{ pb.UnimplementedRemotingServer }

func (*future) Receive(stream pb.Remoting_ReceiveServer) error {
	if err := stream.SendHeader(hello{8, 9, "f:1", 1}.metadata()); err != nil {
		return err
	}
	if err := stream.Send(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_ConnectResponse{
		ConnectResponse: &pb.ConnectResponse{MemberId: "future"},
	}}); err != nil {
		return err
	}
	_, err := stream.Recv()
	return err
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
