package remote

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// A valve holds up whoever reads from the connections that were dialled through it.
type valve struct {
	mu   sync.Mutex
	shut chan struct{} // nil: it is open
}

func (g *valve) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *valve) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

func (g *valve) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := dialTCP(ctx, address)
	return valveConn{c, g}, err
}

type valveConn struct {
	net.Conn
	valve *valve
}

func (c valveConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.valve.mu.Lock()
	shut := c.valve.shut
	c.valve.mu.Unlock()
	if shut != nil {
		<-shut
	}
	return n, err
}

// askedTooMuch has many ask for large results of a process whose lane for them is small, while nobody reads them.
func askedTooMuch(t *testing.T) (h *house, g *valve, results <-chan error, callers int) {
	const size, lane = 100 << 10, 512 << 10
	g, callers = &valve{}, 40
	h = newHouse(t, &shelf{}, &shelf{}, func(a, b *Config) {
		a.Dial, b.UrgentBytes = g.dial, lane
		a.Heartbeat, b.Heartbeat = time.Minute, time.Minute // however long the valve is shut
	})
	ctx, ref := within(t, 60*time.Second), h.refs["a"]["b/0"]
	require.NoError(t, actor.Do(ctx, ref, (*shelf).Size, nil))
	g.close()
	errs := make(chan error, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			b, err := actor.Call(ctx, ref, (*shelf).Echo, make([]byte, size))
			if err == nil && len(b) != size {
				err = errors.New("a part of the result is missing")
			}
			errs <- err
		})
	}
	t.Cleanup(all.Wait)
	toB := func() PeerStats { return h.b.Stats().Peers[0] }
	require.Eventually(t, func() bool { return toB().QueuedBytes > lane/2 && h.nodes["b"].Queued() > 0 }, 30*time.Second, time.Millisecond)
	require.LessOrEqual(t, toB().QueuedBytes, lane+size)
	return h, g, errs, callers
}

// A result for which there is no room waits, and with it the turn that has made it: what waits is bounded, and nobody's answer is lost.
func TestAnswersWaitForRoom(t *testing.T) {
	h, g, results, callers := askedTooMuch(t)
	g.open()
	for range callers {
		require.NoError(t, <-results)
	}
	require.Empty(t, h.b.Stats().Peers[0].Drops)
}

// A node that stops waits for nobody who does not read; callers hear what became of their results.
func TestANodeStopsWhileItsAnswersWait(t *testing.T) {
	h, g, results, callers := askedTooMuch(t)
	stopped := make(chan error, 1)
	go func() { stopped <- h.nodes["b"].Stop(context.Background()) }()
	select {
	case err := <-stopped:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the node waits for room")
	}
	g.open()
	refused := 0
	for range callers {
		err := <-results
		if errors.Is(err, actor.ErrOverloaded) {
			refused++
			continue
		}
		if err != nil {
			require.ErrorIs(t, err, actor.ErrStopped)
		}
	}
	require.LessOrEqual(t, refused, 1, "those whose result was ready")
	require.EqualValues(t, refused, h.b.Stats().Peers[0].Drops[QueueFull])
}
