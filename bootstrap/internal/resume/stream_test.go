package resume

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// send writes data in pieces.
func send(s *Stream, data []byte, piece func() int) error {
	for len(data) > 0 {
		n, err := s.Write(data[:min(len(data), piece())])
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		data = data[n:]
	}
	return nil
}

// inbox reads a stream to its end.
type inbox struct {
	got chan []byte
	err error // valid when got is closed
}

func read(s *Stream) *inbox {
	in := &inbox{got: make(chan []byte)}
	go func() {
		defer close(in.got)
		for {
			b := make([]byte, 5000)
			n, err := s.Read(b)
			if err != nil {
				in.err = err
				return
			}
			in.got <- b[:n]
		}
	}()
	return in
}

// take returns the next n bytes.
func (in *inbox) take(n int) (taken []byte) {
	for len(taken) < n {
		b, ok := <-in.got
		if !ok {
			break
		}
		taken = append(taken, b...)
	}
	return taken
}

// exchange sends up from a to b and down from b to a and asserts that they arrive.
func exchange(t *testing.T, p *peers, up, down []byte, piece func() int) {
	t.Helper()
	if p.inA == nil {
		p.inA, p.inB = read(p.a), read(p.b)
	}
	sent := make(chan error, 2)
	got := make(chan []byte, 1)
	go func() { sent <- send(p.a, up, piece) }()
	go func() { sent <- send(p.b, down, piece) }()
	go func() { got <- p.inB.take(len(up)) }()
	require.True(t, bytes.Equal(down, p.inA.take(len(down))), "%d bytes down", len(down))
	require.True(t, bytes.Equal(up, <-got), "%d bytes up", len(up))
	require.NoError(t, errors.Join(<-sent, <-sent))
}

// part closes a, and b when it has read that, and returns what b has read.
func (p *peers) part() error {
	_ = p.a.Close() // its carrier may be cut
	if rest := p.inB.take(1); len(rest) > 0 {
		return fmt.Errorf("%q was read", rest)
	}
	_ = p.b.Close()
	p.end()
	return p.inB.err
}

func of(n int) func() int { return func() int { return n } }

func TestCarriedByOne(t *testing.T) {
	for _, size := range []int{0, 1, 100, maxPayload, maxPayload + 1, 5 << 20} {
		p := newPeers(0, uncut)
		exchange(t, p, pattern(1, size), pattern(2, size), of(100_000))
		require.Equal(t, io.EOF, p.part())
	}
}

// Carriers are cut behind every byte, in one direction, in the other, and in both.
func TestCutAtEveryByte(t *testing.T) {
	up, down := pattern(3, 60), pattern(4, 50)
	for _, c := range []struct {
		name        string
		here, there func(at int) int
	}{
		{"here", func(at int) int { return at }, func(int) int { return never }},
		{"there", func(int) int { return never }, func(at int) int { return at }},
		{"both", func(at int) int { return at }, func(at int) int { return at }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for at := range 200 {
				synctest.Test(t, func(t *testing.T) {
					carriers := 0
					p := newPeers(0, func() (int, int, bool) {
						if carriers++; carriers > 3 { // the first three are cut at the same place
							return never, never, true
						}
						return c.here(at), c.there(at), true
					})
					exchange(t, p, up, down, of(7))
					synctest.Wait() // carriers that were cut behind the last byte are replaced
					if carriers > 3 {
						require.Equal(t, io.EOF, p.part(), "cut at %d", at)
						return
					}
					p.over()
				})
			}
		})
	}
}

// Seeded cuts while far more than the budget flows both ways.
func TestCutsUnderLoad(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			carriers := 0
			p := newPeers(8<<10, func() (int, int, bool) {
				if carriers++; carriers > 40 {
					return never, never, true
				}
				return r.IntN(60_000), r.IntN(60_000), true
			})
			exchange(t, p, pattern(seed, 600_000), pattern(seed+100, 500_000), of(1+r.IntN(20_000)))
			require.Greater(t, carriers, 10, "seed %d", seed)
			p.over()
		})
	}
}

// A peer that does not come back holds nobody up for ever: the budget fills, writers wait, and Break frees them.
func TestPeerNeverComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(4<<10, only(100, 100))
		wrote := make(chan int, 1)
		failed := make(chan error, 2)
		go func() {
			n, err := p.a.Write(make([]byte, 100_000))
			wrote <- n
			failed <- err
		}()
		go func() {
			_, err := p.a.Read(make([]byte, 1))
			failed <- err
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, failed)
		reason := errors.New("an hour is enough")
		p.a.Break(reason)
		require.Equal(t, 4<<10, <-wrote)
		for range 2 {
			err := <-failed
			require.ErrorIs(t, err, ErrBroken)
			require.ErrorIs(t, err, reason)
		}
		_, err := p.a.Write([]byte{1})
		require.ErrorIs(t, err, reason)
		p.b.Break(reason)
		p.end()
	})
}

// A reader that is slow holds the writer up and nobody else; nothing is kept beyond the budget.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 16 << 10
		p := newPeers(budget, uncut)
		data := pattern(5, 200_000)
		sent := make(chan error, 1)
		go func() { sent <- send(p.a, data, of(3000)) }()
		go func() { _, _ = p.a.Read(make([]byte, 1)) }() // hears acknowledgements; ends with the stream
		var got []byte
		b := make([]byte, 5000)
		for len(got) < len(data) {
			time.Sleep(time.Second)
			synctest.Wait()
			p.a.mu.Lock()
			require.LessOrEqual(t, p.a.sent.size, budget)
			p.a.mu.Unlock()
			n, err := p.b.Read(b)
			require.NoError(t, err)
			got = append(got, b[:n]...)
		}
		require.NoError(t, <-sent)
		require.True(t, bytes.Equal(data, got))
		p.over()
	})
}

// An end that is closed sends what it has first; one whose peer has closed cannot be written to.
func TestClose(t *testing.T) {
	p := newPeers(0, uncut)
	_, err := p.a.Write([]byte("last words"))
	require.NoError(t, err)
	read := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(p.b) // how it ends is seen below
		read <- b
	}()
	require.NoError(t, p.a.Close())
	require.NoError(t, p.a.Close())
	require.Equal(t, "last words", string(<-read))
	_, err = p.b.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	_, err = p.b.Write([]byte("too late"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = p.a.Write([]byte("too late"))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = p.a.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, p.b.Close())
	p.end()
}

// An end that is closed while its carrier is lost, or stuck, is not held up.
func TestCloseWithoutCarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stuck := range []bool{false, true} {
			limit := 0
			if stuck {
				limit = never
			}
			p := newPeers(0, only(limit, limit))
			_, err := p.a.Write([]byte("nobody reads this"))
			require.NoError(t, err)
			synctest.Wait()
			closed := make(chan struct{})
			go func() {
				_ = p.a.Close()
				close(closed)
			}()
			synctest.Wait()
			if stuck {
				select {
				case <-closed:
					require.Fail(t, "it did not wait for its carrier")
				default:
				}
				p.a.Break(errCut)
			}
			<-closed
			p.b.Break(errCut)
			p.end()
		}
	})
}
