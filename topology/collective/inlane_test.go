package collective

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology"
)

// written is a connection on which all has come that ever will.
type written struct {
	net.Conn
	*bytes.Reader
}

func (w written) Read(b []byte) (int, error)  { return w.Reader.Read(b) }
func (w written) Write(b []byte) (int, error) { return len(b), nil }
func (w written) Close() error                { return nil }

// FuzzLane reads anything from a lane: no byte of what is kept is counted twice, or not at all.
func FuzzLane(f *testing.F) {
	message := func(size int, change func(h *header)) []byte {
		h := header{kind: kindData, from: 1, seq: 1 << roundBits, stream: stream(streamDown, 0)}
		if change != nil {
			change(&h)
		}
		b := make([]byte, size)
		h.put(b)
		binary.LittleEndian.PutUint64(b[laneLength:], uint64(size))
		return b
	}
	f.Add(append(message(headerSize, nil), message(1000, func(h *header) { h.index = 1 })...))
	f.Add(message(2000, nil)[:1999])
	f.Add(message(500, func(h *header) { h.from = 2 }))
	f.Add(message(500, func(h *header) { h.kind = kindAbort }))
	f.Add(message(500, func(h *header) { h.seq = 1 << 60 }))
	f.Add(bytes.Repeat([]byte{255}, 200))
	shape, err := topology.New(topology.Chain(), []topology.Member{{Name: "w/0"}, {Name: "w/1"}, {Name: "w/2"}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &Member{plan: &plan{shape: shape, trees: map[treeKey][]tree{}}}
		m.readyLocked()
		m.edges[1].instance = 7
		in := &inlane{from: 1, instance: 7, conn: written{Reader: bytes.NewReader(b)}}
		_ = m.readLane(context.Background(), in)
		waiting, messages := 0, 0
		for _, s := range m.slots {
			for _, p := range s.queue {
				waiting, messages = waiting+len(p.whole), messages+1
				require.Equal(t, 1, p.from)
			}
		}
		require.Equal(t, waiting, in.parked)
		require.LessOrEqual(t, uint64(messages), in.come)
		require.LessOrEqual(t, waiting+in.owed, len(b))
	})
}

// A function that panics, called by who reads a lane, ends the operation: nobody waits for what it was to do.
func TestPanicOnALane(t *testing.T) {
	shape, err := topology.New(topology.Chain(), []topology.Member{{Name: "w/0"}, {Name: "w/1"}})
	require.NoError(t, err)
	m := &Member{plan: &plan{shape: shape, trees: map[treeKey][]tree{}}}
	m.readyLocked()
	m.edges[1].instance, m.seq = 7, 1<<roundBits
	o := &op{m: m, seq: m.seq, restarts: make([]int, 2)}
	m.current = o
	k := &sink{take: func(*packet) { panic("a function of the user's") }}
	done := o.sinkInto(1, stream(streamRing, 0), k)
	in := &inlane{from: 1, instance: 7}
	p := &packet{header: header{from: 1, seq: o.seq, stream: stream(streamRing, 0)}, whole: make([]byte, headerSize), lane: in}
	require.Panics(t, func() { _ = m.takeFromLane(t.Context(), in, p) })
	done()
	require.ErrorIs(t, o.err, errPanicked)
}
