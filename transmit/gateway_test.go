package transmit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// asker is a program at the other end of a gateway.
type asker struct {
	t    *testing.T
	conn net.Conn
	over chan error // has what Talk returned
	id   uint64
}

func talking(t *testing.T, ref Ref) *asker {
	near, far := net.Pipe()
	a := &asker{t: t, conn: near, over: make(chan error, 1)}
	go func() {
		a.over <- Gateway{ref}.Talk(t.Context(), far)
		_ = far.Close()
	}()
	t.Cleanup(func() { _ = near.Close() })
	return a
}

func framed(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// post writes an Ask with a field, and returns its id.
func (a *asker) post(number protowire.Number, content []byte) uint64 {
	a.id++
	b := appendUint(nil, 1, a.id)
	b = protowire.AppendBytes(appendTag(b, number, protowire.BytesType), content)
	_, err := a.conn.Write(framed(b))
	require.NoError(a.t, err)
	return a.id
}

// next reads an Answer: its id, and field.
func (a *asker) next() (id uint64, number protowire.Number, content field) {
	frame, err := readFrame(a.conn)
	require.NoError(a.t, err)
	require.NoError(a.t, fields(frame, func(f field) error {
		if f.number == 1 {
			id = f.varint
		} else {
			number, content = f.number, f
		}
		return nil
	}))
	return id, number, content
}

func (a *asker) ask(number protowire.Number, content []byte) field {
	want := a.post(number, content)
	id, _, f := a.next()
	require.Equal(a.t, want, id)
	return f
}

func (a *asker) end() error {
	require.NoError(a.t, a.conn.Close())
	return <-a.over
}

func valueAsk(kind uint64, name, value string) []byte {
	return appendText(appendText(appendUint(nil, 1, kind), 2, name), 3, value)
}

func TestGatewaySpeaksForAProgram(t *testing.T) {
	for name, ref := range map[string]func(Config) Ref{
		"here": func(c Config) Ref { return started(t, c) }, "far": func(c Config) Ref { return startedFar(t, c).ref },
	} {
		t.Run(name, func(t *testing.T) {
			ref := ref(Config{Tables: []Table{Queue("q", 2)}})
			a := talking(t, ref)
			step, err := number(7).Encode(nil)
			require.NoError(t, err)
			w := &writeRequest{session: newSession(), number: 1, steps: [][]byte{step, step, step}}
			for i := range uint64(3) {
				w.windows = append(w.windows, window{"q", i, 1, 1})
			}
			reply, err := decodeWriteReply(a.ask(2, w.encode(nil)).bytes)
			require.NoError(t, err)
			require.Len(t, reply.keys, 2, "there is no room for the third")
			waits := a.post(2, (&writeRequest{session: w.session, number: 2, settled: 1, windows: w.windows[2:], wait: true}).encode(nil))
			r := &readRequest{session: newSession(), number: 1, table: "q", items: 2, bytes: 1000}
			reads := a.post(3, r.encode(nil))
			seen := map[uint64]protowire.Number{}
			for range 2 { // in whatever order
				id, number, _ := a.next()
				seen[id] = number
			}
			require.Equal(t, map[uint64]protowire.Number{waits: 3, reads: 4}, seen)

			keys := appendText(nil, 1, "q")
			keys = protowire.AppendBytes(appendTag(keys, 2, protowire.BytesType), binary.LittleEndian.AppendUint64(nil, 99))
			keys = protowire.AppendBytes(appendTag(keys, 3, protowire.BytesType), binary.LittleEndian.AppendUint64(nil, math.Float64bits(2)))
			require.Zero(t, a.ask(4, keys).varint)
			require.Equal(t, uint64(1), a.ask(4, appendFlag(appendText(nil, 1, "q"), 4, true)).varint)

			version := appendUint(nil, 2, 1)
			require.Equal(t, version, a.ask(5, valueAsk(valueSend, "", "w")).bytes)
			require.Equal(t, append(appendText(nil, 1, "w"), version...), a.ask(5, valueAsk(valueGet, "", "")).bytes)
			takes := a.post(5, valueAsk(valueTake, "h", ""))
			require.Equal(t, version, func() []byte {
				puts := a.post(5, valueAsk(valuePut, "h", "job"))
				got := map[uint64][]byte{}
				for range 2 {
					id, _, f := a.next()
					got[id] = f.bytes
				}
				require.Equal(t, append(appendText(nil, 1, "job"), version...), got[takes])
				return got[puts]
			}())
			got, err := GetInfo[[]byte](patient(t), ref)
			require.NoError(t, err)
			require.Equal(t, []byte("w"), got, "Go reads the same")

			a.post(5, valueAsk(valueTake, "never", ""))
			require.NoError(t, a.end(), "what is under way is cancelled")
			require.Eventually(t, func() bool {
				info, err := Info(patient(t), ref)
				return err == nil && info.Sessions == 0
			}, patience, time.Millisecond, "sessions end with the program")
		})
	}
}

func TestGatewayTellsMistakes(t *testing.T) {
	ref, node := startedNode(t, Config{})
	a := talking(t, ref)
	for name, c := range map[string]struct {
		number  protowire.Number
		content []byte
		want    error
	}{
		"no such table":    {4, appendText(nil, 1, "t"), ErrNoTable},
		"no such kind":     {5, valueAsk(9, "", ""), ErrRequest},
		"no such name":     {5, valueAsk(valueGet, "\xff", ""), ErrRequest},
		"nothing known":    {9, nil, ErrRequest},
		"too many numbers": {4, protowire.AppendBytes(appendTag(appendText(nil, 1, "t"), 3, protowire.BytesType), make([]byte, 8)), ErrNoTable},
	} {
		a.post(c.number, c.content)
		_, number, f := a.next()
		require.Equal(t, protowire.Number(2), number, name)
		why, err := decodeFault(f.bytes)
		require.NoError(t, err)
		require.ErrorIs(t, why, c.want, name)
	}
	reply, err := decodeReadReply(a.ask(3, []byte("x")).bytes, 1)
	require.NoError(t, err)
	require.Error(t, reply.fault, "the node's word on a request that makes no sense")
	require.NoError(t, node.Stop(t.Context()))
	why, err := decodeFault(a.ask(5, valueAsk(valueSend, "", "")).bytes)
	require.NoError(t, err)
	require.ErrorContains(t, why, "stopped")
	require.NoError(t, a.end())
}

// stream is what a program writes, and nothing that reads answers.
type stream struct {
	io.Reader
	err error
}

func (s stream) Write(b []byte) (int, error) { return len(b), s.err }

func TestGatewayEndsWithItsStreams(t *testing.T) {
	ref := started(t, Config{})
	asks := framed(protowire.AppendBytes(appendTag(nil, 5, protowire.BytesType), valueAsk(valueSend, "", "")))
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		conn stream
		want error
	}{
		"the end":          {stream{bytes.NewReader(asks), nil}, nil},
		"within a length":  {stream{bytes.NewReader(append(asks, 1)), nil}, io.ErrUnexpectedEOF},
		"within a message": {stream{bytes.NewReader(asks[:7]), nil}, io.ErrUnexpectedEOF},
		"too long":         {stream{bytes.NewReader([]byte{1, 0, 0, 4}), nil}, ErrType},
		"no message":       {stream{bytes.NewReader(framed([]byte{1})), nil}, ErrType},
		"nobody listens":   {stream{bytes.NewReader(bytes.Repeat(asks, 10_000)), broken}, broken},
	} {
		err := Gateway{ref}.Talk(t.Context(), c.conn)
		require.ErrorIs(t, err, c.want, name)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Gateway{ref}.Talk(over, stream{bytes.NewReader(asks), nil}), context.Canceled)
}

func FuzzDecodeAsk(f *testing.F) {
	f.Add(appendUint(nil, 1, 3))
	for number, content := range map[protowire.Number][]byte{
		2: (&writeRequest{session: newSession()}).encode(nil), 4: appendFlag(appendText(nil, 1, "t"), 4, true), 5: valueAsk(valuePut, "a", "b"),
	} {
		f.Add(protowire.AppendBytes(appendTag(nil, number, protowire.BytesType), content))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAsk(b)
		if err != nil {
			require.ErrorIs(t, err, ErrType)
			return
		}
		if a.change != nil {
			require.LessOrEqual(t, 8*len(a.change.Keys)+8*len(a.change.Priorities), len(b))
		}
		note(map[string]bool{}, a.write)
	})
}
