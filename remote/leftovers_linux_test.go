package remote

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// What a process holds that a leak would show in.
type holdings struct {
	goroutines, files int
	heap              int64
}

func held(t *testing.T) holdings {
	t.Helper()
	runtime.GC()
	runtime.GC() // what a pool holds goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return holdings{runtime.NumGoroutine(), len(files), int64(m.HeapAlloc)}
}

// Whatever a process goes through, it is afterwards as it was: goroutines, file descriptors and memory.
func TestNothingIsLeftOver(t *testing.T) {
	const rounds, heapSlack = 3, 8 << 20 // a round moves twice as much
	t.Run("once, for what is made once", ordeal)
	before := held(t)
	for range rounds {
		t.Run("again", ordeal)
	}
	var after holdings
	deadline := time.Now().Add(patience)
	for {
		after = held(t)
		if after.goroutines <= before.goroutines && after.files <= before.files && after.heap <= before.heap+heapSlack || time.Now().After(deadline) {
			break
		}
		time.Sleep(10 * time.Millisecond) // until the kernel and others have let go
	}
	require.LessOrEqual(t, after.goroutines, before.goroutines)
	require.LessOrEqual(t, after.files, before.files)
	require.LessOrEqual(t, after.heap, before.heap+heapSlack)
}

// ordeal takes two endpoints through connections that break, floods, nonsense, a peer that dies, and Close.
func ordeal(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := &frail{inner: dialTCP, rand: rand.New(rand.NewPCG(seed, 0)), most: 256 << 10, left: 10}
	b := &shelf{slow: make(chan struct{})}
	h := newHouse(t, &shelf{}, b, func(a, _ *Config) { a.Dial = f.dial })
	ctx := within(t, 60*time.Second)

	// Connections break under a flood.
	ref := h.refs["a"]["b/0"]
	const tells = 2000
	for err := error(ErrUnreachable); err != nil; err = h.a.Connect(ctx, h.b.cfg.Address) { // a link, once made, outlives its connections
		require.NoError(t, ctx.Err())
	}
	for i := range tells {
		require.NoError(t, actor.Tell(ctx, ref, (*shelf).Put, i))
	}
	big, err := actor.Call(ctx, ref, (*shelf).Echo, make([]byte, 4<<20))
	require.NoError(t, err)
	require.Len(t, big, 4<<20)
	got, err := actor.Call0(ctx, ref, (*shelf).Got)
	require.NoError(t, err)
	require.Len(t, got, tells)

	// Streams come and go; some stay until the end.
	halls := newHall()
	n, err := h.systems["b"].Spawn(actor.Spec{Key: "b/1", Value: halls})
	require.NoError(t, err)
	require.NoError(t, n.Start(ctx))
	for i := range 100 {
		conn, err := actor.Open(ctx, actor.NewRef[*hall](h.tables["a"], "b/1"), (*hall).Hold)
		if err == nil && i >= 5 { // its connection may be one that breaks, too
			require.NoError(t, conn.Close())
		}
	}

	// Callers mean no good, or give up.
	address := h.b.cfg.Address
	for i := range 30 {
		c, err := dialTCP(ctx, address)
		require.NoError(t, err)
		_, _ = c.Write([]byte(helloMagic + "nonsense")[:i%16]) // it may have been hung up on
		require.NoError(t, c.Close())
	}

	// A peer dies without a word, and is declared gone.
	third := start(t, Config{Address: "third:1", InsecurePlaintext: true})
	require.NoError(t, third.Connect(ctx, address))
	_, pid := newInbox(t, h.b, "nobody-reads", tells)
	for range 100 {
		require.NoError(t, third.Send(ctx, pid, nil, text("before it dies")))
	}
	dead, die := context.WithCancelCause(ctx)
	die(errors.New("killed"))
	_ = third.Close(dead) // which says what was lost
	h.b.Fence("", "third:1", 0)

	// What is under way at the end ends with it.
	hold, cancel := context.WithCancel(ctx)
	asked := actor.GoDo(hold, ref, (*shelf).Hold, make([]byte, 1<<20))
	cancel()
	_, err = asked.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	close(b.slow)
}
