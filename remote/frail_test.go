package remote

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// frail makes connections that end after a number of bytes, in the middle of whatever they carry, or after a time.
type frail struct {
	inner func(context.Context, string) (net.Conn, error)
	every time.Duration // zero: not by time

	mu    sync.Mutex
	rand  *rand.Rand
	most  int // bytes
	left  int // so many connections are frail
	dials int
}

func (f *frail) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := f.inner(ctx, address)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	if err != nil || f.left == 0 {
		return c, err
	}
	f.left--
	if f.every > 0 {
		time.AfterFunc(f.every, func() { _ = c.Close() })
		return c, nil
	}
	least := 0
	if f.dials == 1 { // whoever is hung up on before a link is begun takes the other for a stock peer, whose links do not outlive their connections
		least = 1 << 10
	}
	return &frailConn{Conn: c, read: least + f.rand.IntN(f.most), written: least + f.rand.IntN(f.most)}, nil
}

func (f *frail) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

// frailConn ends after so many bytes; those up to there still pass.
type frailConn struct {
	net.Conn
	read, written int // owned by whoever reads, and whoever writes
}

func (c *frailConn) Read(b []byte) (int, error) {
	if c.read == 0 {
		_ = c.Conn.Close()
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(b[:min(len(b), c.read)])
	c.read -= n
	return n, err
}

func (c *frailConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(len(b), c.written)])
	c.written -= n
	if err == nil && n < len(b) {
		_ = c.Conn.Close()
		err = net.ErrClosed
	}
	return n, err
}

// sendNumbers sends numbered messages of many sizes to a receiver, and check takes them.
func sendNumbers(ctx context.Context, e *Endpoint, to *protoactor.PID, n int, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		size := 8 + r.IntN(200)
		switch r.IntN(50) {
		case 0:
			size = 200 << 10
		case 1:
			size = 40 << 10
		}
		b := make([]byte, size)
		binary.BigEndian.PutUint64(b, uint64(i))
		for {
			err := e.Send(ctx, to, nil, wrapperspb.Bytes(b))
			if err == nil {
				break
			}
			if e.Stats().Peers[0].Links > 0 || ctx.Err() != nil {
				return err
			} // there was no link yet, and what makes it has failed
		}
	}
	return nil
}

func check(ctx context.Context, in *inbox, n int) error {
	for i := range n {
		select {
		case m := <-in.user:
			if got := binary.BigEndian.Uint64(m.Message.(*wrapperspb.BytesValue).Value); got != uint64(i) {
				return fmt.Errorf("%d came instead of %d", got, i)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// flood has both ends send to the other, and checks that all of it comes once and in order.
func flood(t *testing.T, p *pair, n int, seed uint64) {
	t.Helper()
	ctx := within(t, 60*time.Second)
	atA, pidA := newInbox(t, p.a, "x", 16)
	atB, pidB := newInbox(t, p.b, "y", 16)
	errs := make([]error, 4)
	var all sync.WaitGroup
	all.Go(func() { errs[0] = sendNumbers(ctx, p.a, pidB, n, seed) })
	all.Go(func() { errs[1] = sendNumbers(ctx, p.b, pidA, n, seed+1) })
	all.Go(func() { errs[2] = check(ctx, atA, n) })
	all.Go(func() { errs[3] = check(ctx, atB, n) })
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Empty(t, p.aDowns)
	require.Empty(t, p.bDowns)
}

// Nothing is lost, doubled or reordered while connections break wherever they may, and Close drains over as many.
func TestNothingIsLostOverFrailConnections(t *testing.T) {
	authority := newAuthority(t, "run-1")
	for name, pairOf := range map[string]func(change func(a, b *Config)) *pair{
		"memory": func(change func(a, b *Config)) *pair { return memoryPair(t, change) },
		"tcp": func(change func(a, b *Config)) *pair {
			return tcpPair(t, func(a, b *Config) {
				a.InsecurePlaintext, b.InsecurePlaintext = true, true
				a.Dial, b.Dial = dialTCP, dialTCP
				change(a, b)
			})
		},
		"tls": func(change func(a, b *Config)) *pair {
			return tcpPair(t, func(a, b *Config) {
				a.Credentials, b.Credentials = issue(t, authority, RoleHost, "alice", 1), issue(t, authority, RoleHost, "bob", 1)
				a.Dial, b.Dial = dialTCP, dialTCP
				change(a, b)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 2))
			var wires [2]*frail
			p := pairOf(func(a, b *Config) {
				for i, c := range []*Config{a, b} {
					wires[i] = &frail{inner: c.Dial, rand: rand.New(rand.NewPCG(r.Uint64(), 0)), most: 1 << 20, left: 40}
					c.Dial = wires[i].dial
				}
			})
			flood(t, p, 1000, seed)
			require.Greater(t, wires[0].count()+wires[1].count(), 4)

			_, pidB := newInbox(t, p.b, "last", 2000)
			sent := 0
			for _, w := range wires {
				w.mu.Lock()
				w.left, w.most = 40, 20<<10
				w.mu.Unlock()
			}
			for range 500 {
				require.NoError(t, p.a.Send(t.Context(), pidB, nil, wrapperspb.Bytes(make([]byte, 1000))))
				sent++
			}
			require.NoError(t, p.a.Close(within(t, 30*time.Second)))
			process, _ := p.b.system.ProcessRegistry.GetLocal("last")
			require.Len(t, process.(*inbox).user, sent)
		})
	}
}

// Resets every 50 ms, in the time of a bubble.
func TestNothingIsLostOverResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, func(a, b *Config) {
			for _, c := range []*Config{a, b} {
				c.Dial = (&frail{inner: slowly(c.Dial), every: 50 * time.Millisecond, left: -1}).dial
			}
		})
		flood(t, p, 1500, 7)
		stats := p.a.Stats().Peers[0]
		require.Greater(t, stats.Resumed+p.b.Stats().Peers[0].Resumed, uint64(10))
		require.Positive(t, stats.ResentMessages+p.b.Stats().Peers[0].ResentMessages)
		require.Empty(t, stats.Drops)
	})
}

// slowly has connections take some time for what they carry.
func slowly(dial func(context.Context, string) (net.Conn, error)) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		c, err := dial(ctx, address)
		return slowConn{c}, err
	}
}

type slowConn struct{ net.Conn }

func (s slowConn) Write(b []byte) (int, error) {
	time.Sleep(time.Millisecond + time.Duration(len(b))*time.Second/(32<<20))
	return s.Conn.Write(b)
}

func (s slowConn) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b[:min(len(b), 64<<10)])
	time.Sleep(time.Millisecond)
	return n, err
}
