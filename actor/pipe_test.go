package actor

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What goes in comes out, however it is cut up.
func TestPipeCarriesBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const total = 1 << 20
	a, b := newPipe("a/0", "b/0")
	sent := make(chan [sha256.Size]byte, 1)
	go func() {
		r, d := rand.New(rand.NewPCG(seed, 0)), sha256.New()
		for left := total; left > 0; {
			p := make([]byte, min(left, r.IntN(2*pipeBytes)))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			if n, err := a.Write(p); n != len(p) || err != nil {
				break // which the other side sees
			}
			d.Write(p)
			left -= len(p)
		}
		a.Close()
		sent <- [sha256.Size]byte(d.Sum(nil))
	}()
	r, d, came := rand.New(rand.NewPCG(seed, 1)), sha256.New(), 0
	for {
		p := make([]byte, r.IntN(2*pipeBytes))
		n, err := b.Read(p)
		d.Write(p[:n])
		came += n
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	require.Equal(t, total, came)
	require.Equal(t, <-sent, [sha256.Size]byte(d.Sum(nil)))
}

func TestPipeEnds(t *testing.T) {
	a, b := newPipe("a/0", "b/0")
	require.Equal(t, "a/0", a.LocalAddr().String())
	require.Equal(t, a.LocalAddr(), b.RemoteAddr())
	require.Equal(t, "node", b.LocalAddr().Network())

	waits := func(tube *tube) {
		require.Eventually(t, func() bool {
			tube.mu.Lock()
			defer tube.mu.Unlock()
			return tube.changed != nil
		}, time.Minute, time.Millisecond)
	}
	wrote, taken := make(chan error, 1), 0
	write := func() {
		n, err := a.Write(make([]byte, 2*pipeBytes))
		taken = n
		wrote <- err
	}

	// A writer that finds it full gives up at its deadline, also one that is set while it waits, and what was taken stays.
	go write()
	waits(a.(*pipeEnd).out)
	require.NoError(t, a.SetDeadline(time.Unix(1, 0)))
	require.ErrorIs(t, <-wrote, os.ErrDeadlineExceeded)
	require.Equal(t, pipeBytes, taken)
	require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Millisecond)))
	n, err := a.Write([]byte("x"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Zero(t, n)
	require.NoError(t, a.SetDeadline(time.Time{}))

	// Who closes half of it is heard to the end, and goes on reading.
	require.NoError(t, a.(*pipeEnd).CloseWrite())
	_, err = a.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	all, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Len(t, all, pipeBytes)
	_, err = b.Write([]byte("answer"))
	require.NoError(t, err)
	answer := make([]byte, 6)
	_, err = io.ReadFull(a, answer)
	require.NoError(t, err)
	require.Equal(t, "answer", string(answer))

	// Who closes is not written to any more, also not by who waits for room.
	a, b = newPipe("a/0", "b/0")
	go write()
	waits(a.(*pipeEnd).out)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close(), "again")
	require.ErrorIs(t, <-wrote, io.ErrClosedPipe)
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, err = b.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
}
