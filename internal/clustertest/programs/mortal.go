package programs

import (
	"context"
	"net"
	"os"
	"sync/atomic"

	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Mortal is a member whose process can die of what the others send, as a crash does: so it does that in the middle of an operation, however busy the machine is.
type Mortal struct {
	collective.Member
	left atomic.Int64 // bytes that come before the process dies; 0: it does not
}

// dieAfter has the process die when so many bytes more have come.
func (m *Mortal) dieAfter(bytes int) { m.left.Store(int64(bytes)) }

func (m *Mortal) has(bytes int) {
	if m.left.Load() > 0 && m.left.Add(-int64(bytes)) <= 0 {
		die()
	}
}

// Collective takes what the members send, and dies of it.
func (m *Mortal) Collective(ctx context.Context, message []byte) error {
	m.has(len(message))
	return m.Member.Collective(ctx, message)
}

// CollectiveLane takes what they send on connections of their own, and dies of that too.
func (m *Mortal) CollectiveLane(ctx context.Context, conn net.Conn) error {
	return m.Member.CollectiveLane(ctx, mortalConn{conn, m})
}

type mortalConn struct {
	net.Conn
	m *Mortal
}

func (c mortalConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.m.has(n)
	return n, err
}

// die ends the process at once.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
}
