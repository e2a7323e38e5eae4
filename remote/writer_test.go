package remote

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A countedConn counts what is written to it.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// Alone, a message leaves at once; what comes while one is written leaves together.
func TestFlushingFollowsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int64
		p := memoryPair(t, func(a, _ *Config) {
			dial := slowly(a.Dial)
			a.Dial = func(ctx context.Context, address string) (net.Conn, error) {
				c, err := dial(ctx, address)
				return countedConn{c, &writes}, err
			}
		})
		const n = 1000
		in, pid := newInbox(t, p.b, "x", n)
		send := func() { require.NoError(t, p.a.Send(t.Context(), pid, nil, text("small"))) }
		send()
		<-in.user
		for range 10 {
			time.Sleep(time.Second)
			began := time.Now()
			send()
			<-in.user
			require.Less(t, time.Since(began), 5*time.Millisecond, "what the connection takes for one or two writes")
		}
		before := writes.Load()
		for range n {
			send()
		}
		for range n {
			<-in.user
		}
		require.LessOrEqual(t, writes.Load()-before, int64(10))
	})
}
