package transmit

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
	"github.com/tartrl/tlaunch-go/remote"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(saverVariable); dir != "" {
		saveForEver(dir)
	}
	leak.Main(m)
}

// patience is how long something is waited for that should come at once.
const patience = 2 * time.Minute

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// started is a node that runs in this process, in encoding mode, as if it were in another.
func started(t testing.TB, c Config) Ref {
	ref, _ := startedNode(t, c)
	return ref
}

func startedNode(t testing.TB, c Config) (Ref, *actor.Node) {
	sys, ref, node := spawned(t, c)
	require.NoError(t, node.Start(t.Context()))
	t.Cleanup(func() {
		require.NoError(t, node.Stop(context.Background()))
		require.NoError(t, sys.Close(context.Background()))
	})
	return ref, node
}

// spawned is a system with a node that is yet to be started.
func spawned(t testing.TB, c Config) (*actor.System, Ref, *actor.Node) {
	sys, ref, node, _ := spawnedValue(t, c)
	return sys, ref, node
}

func spawnedValue(t testing.TB, c Config) (*actor.System, Ref, *actor.Node, *Node) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	table := actor.NewTable()
	ref := actor.NewRef[*Node](table, "data/0")
	sys := actor.NewSystem(actor.Config{Table: table, Encode: true})
	value := NewNode(c)
	node, err := sys.Spawn(actor.Spec{Key: "data/0", Value: value, Concurrent: value.Concurrent()})
	require.NoError(t, err)
	return sys, ref, node, value
}

// far is a node in another system, over a link of TCP.
type far struct {
	ref   Ref // as the near system knows it
	value *Node
	gone  func() // tells the far system that the process of the near one has ended
	mu    sync.Mutex
	on    []net.Conn // the connections of the link
}

func startedFar(t testing.TB, c Config) *far {
	f := &far{}
	farSys, _, node, value := spawnedValue(t, c)
	f.value, f.gone = value, func() { farSys.PeerDown("near", actor.ErrPeerGone) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	farEnd, err := remote.New(remote.Config{System: farSys.Actors(), Address: l.Addr().String(), InsecurePlaintext: true, Down: farSys.PeerDown})
	require.NoError(t, err)
	farSys.Attach(farEnd)
	require.NoError(t, node.Start(t.Context()))
	served := make(chan error, 1)
	go func() { served <- farEnd.Serve(l) }()

	table := actor.NewTable()
	f.ref = actor.NewRef[*Node](table, "data/0")
	near := actor.NewSystem(actor.Config{Table: table, Locate: func(string) (string, error) { return l.Addr().String(), nil }})
	nearEnd, err := remote.New(remote.Config{System: near.Actors(), Address: "near", InsecurePlaintext: true, Down: near.PeerDown,
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err == nil {
				f.mu.Lock()
				f.on = append(f.on, c)
				f.mu.Unlock()
			}
			return c, err
		}})
	require.NoError(t, err)
	near.Attach(nearEnd)
	t.Cleanup(func() {
		ctx := context.Background()
		require.NoError(t, node.Stop(ctx))
		require.NoError(t, near.Close(ctx))
		require.NoError(t, nearEnd.Close(ctx))
		require.NoError(t, farSys.Close(ctx))
		_ = farEnd.Close(ctx) // it may say that the link was cut
		require.NoError(t, <-served)
	})
	return f
}

// cut breaks the link, and reports whether there was one.
func (f *far) cut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.on {
		_ = c.Close()
	}
	was := len(f.on) > 0
	f.on = nil
	return was
}

func number(n int64) Step { return Step{"n": Scalar(n)} }

func numberOf(t testing.TB, s Step) int64 {
	v, err := Values[int64](s["n"])
	require.NoError(t, err)
	return v[0]
}

// numbers are those of an item's steps.
func numbers(t testing.TB, it Item) []int64 {
	steps, err := it.Steps()
	require.NoError(t, err)
	all := make([]int64, len(steps))
	for i, s := range steps {
		all[i] = numberOf(t, s)
	}
	return all
}

func tableInfo(t testing.TB, ref Ref, name string) TableInfo {
	info, err := Info(patient(t), ref)
	require.NoError(t, err)
	for _, i := range info.Tables {
		if i.Name == name {
			return i
		}
	}
	require.Fail(t, "no table "+name)
	return TableInfo{}
}

// contextThatEnds is for requests that may wait for what never comes.
func contextThatEnds(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), time.Millisecond)
}
