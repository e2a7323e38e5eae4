package remote

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tape notes what is written to it, and how often.
type tape struct {
	net.Conn
	bytes.Buffer
	writes []int
	err    error
}

func (t *tape) Read(b []byte) (int, error) { return t.Buffer.Read(b) }
func (t *tape) Write(b []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	t.writes = append(t.writes, len(b))
	return t.Buffer.Write(b)
}

func TestRecordsAreFull(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var parts net.Buffers
		var want []byte
		for range r.IntN(12) {
			part := make([]byte, r.IntN([]int{10, 1000, 2 * recordBytes, 5 * recordBytes}[r.IntN(4)]))
			for i := range part {
				part[i] = byte(r.Uint32())
			}
			parts, want = append(parts, part), append(want, part...)
		}
		var to tape
		n, err := writeRecords(&to, parts)
		require.NoError(t, err)
		require.EqualValues(t, len(want), n)
		require.True(t, bytes.Equal(want, to.Bytes()))
		for i, size := range to.writes {
			require.True(t, size%recordBytes == 0 || i == len(to.writes)-1, "a record of TLS that is not full, and not the last")
		}
	}
	to := tape{err: io.ErrClosedPipe}
	_, err := writeRecords(&to, net.Buffers{make([]byte, 3*recordBytes)})
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestRecordsAreWrittenTogether(t *testing.T) {
	to := &tape{}
	g := &gatherer{Conn: to}
	put := func(sizes ...int) {
		for _, size := range sizes {
			n, err := g.Write(make([]byte, size))
			require.NoError(t, err)
			require.Equal(t, size, n)
		}
	}
	put(1, 2)
	g.hold()
	put(3, 4)
	require.NoError(t, g.release())
	g.hold()
	require.NoError(t, g.release())
	put(5)
	g.hold()
	put(heldBytes-1, 2, heldBytes+1, 6)
	require.NoError(t, g.release())
	require.Equal(t, []int{1, 2, 7, 5, heldBytes - 1, 2, heldBytes + 1, 6}, to.writes)
	to.err = errors.New("gone")
	g.hold()
	put(7)
	require.ErrorIs(t, g.release(), to.err)
}
