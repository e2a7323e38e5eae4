package remote

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tartrl/tlaunch-go/internal/pool"
)

const (
	recordBytes = 16 << 10  // what a record of TLS holds: RFC 8446, section 5.1
	heldBytes   = 128 << 10 // of records in one write
)

// A gatherer is a connection under TLS that, while it is asked to, writes records together: crypto/tls writes each by itself, and the call
// takes about as long as the encryption. TLS writes from the link's reader as well, when the peer asks for other keys.
type gatherer struct {
	net.Conn

	patient atomic.Bool // deadlines of TLS are passed over

	mu   sync.Mutex
	held *[]byte // nil: nothing is held back
}

// SetWriteDeadline is called by TLS, and by who has no business below it. It must not wait for a write: it may be there to end that.
func (g *gatherer) SetWriteDeadline(t time.Time) error {
	if g.patient.Load() {
		return nil
	}
	return g.Conn.SetWriteDeadline(t)
}

// hold begins to gather.
func (g *gatherer) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = pool.Get(heldBytes)
	*g.held = (*g.held)[:0]
}

// release writes what was gathered, and ends gathering.
func (g *gatherer) release() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.flushLocked()
	pool.Put(g.held)
	g.held = nil
	return err
}

func (g *gatherer) flushLocked() error {
	if len(*g.held) == 0 {
		return nil
	}
	_, err := g.Conn.Write(*g.held)
	*g.held = (*g.held)[:0]
	return err
}

func (g *gatherer) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		return g.Conn.Write(b)
	}
	if len(*g.held)+len(b) > cap(*g.held) {
		if err := g.flushLocked(); err != nil {
			return 0, err
		}
	}
	if len(b) > cap(*g.held) {
		return g.Conn.Write(b)
	}
	*g.held = append(*g.held, b...)
	return len(b), nil
}

// writeAll writes parts to a connection: at once where that can gather, in full records where it is TLS.
func writeAll(conn io.Writer, parts net.Buffers) (n int64, err error) {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return parts.WriteTo(conn)
	}
	if g, ok := secure.NetConn().(*gatherer); ok {
		g.hold()
		defer func() { err = errors.Join(err, g.release()) }()
	}
	return writeRecords(secure, parts)
}

// writeRecords writes parts in pieces that fill records, so that a short part costs none of its own.
func writeRecords(w io.Writer, parts net.Buffers) (n int64, err error) {
	p := pool.Get(recordBytes)
	defer pool.Put(p)
	begun := (*p)[:0] // of a record
	write := func(b []byte) bool {
		var k int
		k, err = w.Write(b)
		n += int64(k)
		return err == nil
	}
	for _, part := range parts {
		if len(begun) > 0 {
			k := min(len(part), recordBytes-len(begun))
			begun, part = append(begun, part[:k]...), part[k:]
			if len(begun) == recordBytes {
				if !write(begun) {
					return n, err
				}
				begun = begun[:0]
			}
		}
		if k := len(part) - len(part)%recordBytes; k > 0 {
			if !write(part[:k]) {
				return n, err
			}
			part = part[k:]
		}
		begun = append(begun, part...)
	}
	if len(begun) > 0 {
		write(begun)
	}
	return n, err
}
