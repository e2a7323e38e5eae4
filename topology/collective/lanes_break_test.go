package collective_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/remote"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// What a connection does with what is written behind the bytes that it carries.
const (
	cuts    = iota // it ends
	stalls         // Write waits until the connection is closed
	buries         // it is said to be written, and never comes
	endings        // how many there are
)

// A faulty connection is sound for so many bytes, counted from the end of its opening on.
type faulty struct {
	net.Conn
	ending int

	mu     sync.Mutex
	writes int
	left   int64
	closed chan struct{}
	once   sync.Once
	timed  chan struct{}
	timing sync.Once
}

func (c *faulty) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.writes++
	if c.writes > 1 { // the first opens the stream
		c.left -= int64(len(b))
	}
	left := c.left
	c.mu.Unlock()
	if left >= 0 {
		return c.Conn.Write(b)
	}
	n, err := 0, error(nil)
	if fits := left + int64(len(b)); fits > 0 {
		n, err = c.Conn.Write(b[:fits])
	}
	switch c.ending {
	case buries:
		return len(b), nil
	case stalls:
		<-c.closed
	}
	_ = c.Close()
	if err == nil {
		err = net.ErrClosed
	}
	return n, err
}

// Read hears of an end on the other side only where the connection was cut.
func (c *faulty) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.ending == cuts || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	select {
	case <-c.closed:
	case <-c.timed:
	}
	return n, os.ErrDeadlineExceeded
}

func (c *faulty) SetReadDeadline(at time.Time) error {
	if !at.IsZero() && at.Before(time.Now()) {
		c.timing.Do(func() { close(c.timed) })
	}
	return c.Conn.SetReadDeadline(at)
}

func (c *faulty) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Lanes end in their greeting, in a header, in a message or between two, in any way; and whether their readers are heard to say so or not, everything comes, once.
func TestLanesThatEndAnywhere(t *testing.T) {
	const greeting, message = 24, 128 << 10
	places := []int64{0, 10, greeting, greeting + 30, greeting + message, greeting + message + 64, greeting + 3*message + 1000}
	members := 1 + endings*len(places)
	var opens atomic.Int64 // how many lanes are still to be opened that end
	g := newFarTeam(t, topology.Star(), members, func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dialPlainly(ctx, address)
		if err != nil {
			return nil, err
		}
		i := opens.Add(-1)
		if i < 0 {
			return conn, nil
		}
		return &faulty{Conn: conn, ending: int(i) % endings, left: places[int(i)/endings], closed: make(chan struct{}), timed: make(chan struct{})}, nil
	})
	g.work(1, 1000, collective.ByShape)
	g.workers[0].drops = func(message []byte) bool {
		const word = 4 // that a lane has ended
		return message[0] == word && message[4]%2 == 0
	}
	opens.Store(int64(members - 1))
	sent := values[float32](2, 0, 500_000)
	g.do(func(ctx context.Context, w *worker) error { return broadcast(ctx, w, make([]float32, len(sent)), sent) })
	require.LessOrEqual(t, opens.Load(), int64(0))
}

// More than a lane's window goes on one, also in messages that are small, and on streams for which none would be opened.
func TestLanesHaveRoomAgain(t *testing.T) {
	g := newFarTeam(t, topology.Net(), 2, dialPlainly)
	g.work(1, 270_000, collective.Chain) // opens them
	sent := values[float32](2, 0, 1_200_000)
	g.do(func(ctx context.Context, w *worker) error {
		data := make([]float32, len(sent))
		if err := broadcast(ctx, w, data, sent, collective.Chunk(8<<10)); err != nil {
			return err
		}
		return collective.AllReduce(ctx, w, data, collective.Max, collective.Using(collective.Doubling))
	})
}

// Under TLS, whoever hears grants stops and goes on with each operation, wherever in a record that is; and lanes that are cut lose nothing.
func TestLanesUnderTLS(t *testing.T) {
	authority, err := remote.NewAuthority("lanes", time.Now)
	require.NoError(t, err)
	var connections atomic.Int64
	g := newFarTeamOf(t, topology.Net(), 3, func(i int, cfg *remote.Config) {
		credentials, err := authority.Issue(remote.RoleHost, fmt.Sprint("w/", i), 1)
		require.NoError(t, err)
		cfg.Credentials = &credentials
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dialPlainly(ctx, address)
			if n := connections.Add(1); err == nil && n > 6 && n < 12 {
				c := &frail{Conn: conn}
				c.left.Store(n * 300_000)
				return c, nil
			}
			return conn, err
		}
	})
	for i, algo := range large {
		g.work(uint64(i), 270_000, algo)
	}
	require.NotZero(t, g.lanes())
}

// A member that is started again while the others have lanes to it, and it has had some to them, has nothing of what was on them.
func TestStartedAgainWithLanes(t *testing.T) {
	g := newFarTeam(t, topology.Net(), 3, dialPlainly)
	for i, algo := range []collective.Algorithm{collective.Ring, collective.Chain, collective.DoubleTree} {
		g.work(uint64(i), 270_000, algo)
		rank := i % 3
		g.table = g.tables[rank]
		g.restart(rank)
		g.do(func(ctx context.Context, w *worker) error {
			for range 10 {
				data := make([]float32, 270_000)
				data[w.Rank()] = 1
				err := collective.AllReduce(ctx, w, data, collective.Sum, collective.Using(algo))
				if err == nil && !equal(data[:4], []float32{1, 1, 1, 0}) {
					err = fmt.Errorf("%v", data[:4])
				}
				if !errors.Is(err, collective.ErrMissing) {
					return err
				}
			}
			return errors.New("it does not find the others")
		})
		g.work(uint64(i), 270_000, algo)
	}
}
