package remote

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
)

func TestIdlePeersAreForgotten(t *testing.T) {
	n := newNetwork()
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial})
	b := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
	serve(t, b, n.listen("b:1"))
	in, pid := newInbox(t, b, "x", 2)
	ctx := within(t, 10*time.Second)
	require.NoError(t, e.Send(ctx, pid, nil, text("linked")))
	receive(t, in.user)
	watched := e.peer("watched:1")
	watched.watch("me", "them")
	watched.release()
	used := e.peer("used:1")

	for i := range 10 * idlePeers {
		e.peer(fmt.Sprintf("c%d:1", i)).release()
	}
	stats := e.Stats()
	require.LessOrEqual(t, len(stats.Peers), idlePeers)
	var kept []string
	for _, p := range stats.Peers {
		if !strings.HasPrefix(p.Address, "c") {
			kept = append(kept, p.Address)
		}
	}
	require.Equal(t, []string{"b:1", "used:1", "watched:1"}, kept)
	require.Same(t, used, e.peer("used:1"))
	require.NoError(t, e.Send(ctx, pid, nil, text("still linked")))
	receive(t, in.user)
}

// Where many peers are in use, none is forgotten, and not each new one looks through all.
func TestCrowdOfBusyPeers(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	for i := range 3 * idlePeers {
		e.peer(fmt.Sprintf("c%d:1", i))
	}
	require.Len(t, e.Stats().Peers, 3*idlePeers)
	require.Equal(t, 4*idlePeers, e.crowd)
}

func TestConnectionsAreBounded(t *testing.T) {
	n := newNetwork()
	e := start(t, Config{Address: "e:1", InsecurePlaintext: true, Dial: n.dial, MaxConnections: 1})
	serve(t, e, n.listen("e:1"))
	in, pid := newInbox(t, e, "x", 2)
	ctx := within(t, 10*time.Second)
	first := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial})
	second := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: n.dial})
	require.NoError(t, first.Send(ctx, pid, nil, text("in")))
	receive(t, in.user)
	require.ErrorIs(t, second.Send(ctx, pid, nil, text("no room")), ErrUnreachable)
	require.EqualValues(t, 1, e.Stats().Refused[RefusedLimit])

	require.NoError(t, first.Close(ctx))
	require.Eventually(t, func() bool {
		return second.Send(ctx, pid, nil, text("room again")) == nil
	}, patience, time.Millisecond, "its connection ends a moment after its link")
	receive(t, in.user)
}

func TestStrangersAreLoggedOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var logged bytes.Buffer
	e := start(t, Config{
		Address: l.Addr().String(), Credentials: issue(t, newAuthority(t, "r"), RoleHost, "e", 1),
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	serve(t, e, l)
	ctx := within(t, 10*time.Second)
	for range 5 { // each from a port of its own
		c, err := dialTCP(ctx, l.Addr().String())
		require.NoError(t, err)
		_, err = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		require.NoError(t, err)
		_, _ = bytes.NewBuffer(nil).ReadFrom(c) // until it is hung up on
		require.NoError(t, c.Close())
	}
	require.NoError(t, e.Close(ctx))
	require.EqualValues(t, 5, e.Stats().Refused[RefusedHandshake])
	require.Equal(t, 1, strings.Count(logged.String(), "level=WARN"), logged.String())
}

func TestAddressesThatAreNoPartOfAURL(t *testing.T) {
	const address = "[fe80::1%eth0]:1"
	n := newNetwork()
	a := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: n.dial})
	b := start(t, Config{Address: address, InsecurePlaintext: true, Dial: func(context.Context, string) (net.Conn, error) {
		return nil, net.ErrClosed
	}})
	serve(t, b, n.listen(address))
	in, _ := newInbox(t, b, "x", 1)
	require.NoError(t, a.Send(within(t, 5*time.Second), protoactor.NewPID(address, "x"), nil, text("hello")))
	receive(t, in.user)
}
