package leak_test

import (
	"net"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The libraries that start most of our goroutines take them back, so the package has no exceptions for them.

func TestProtoActorLeavesNothing(t *testing.T) {
	system := actor.NewActorSystem()
	received := make(chan any)
	pid := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if text, ok := c.Message().(string); ok {
			received <- text
		}
	}))
	system.Root.Send(pid, "hello")
	require.Equal(t, "hello", <-received)
	require.NoError(t, system.Root.StopFuture(pid).Wait())
	system.Shutdown()
}

func TestGRPCLeavesNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()

	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	server.Stop()
	require.NoError(t, <-served)
}
