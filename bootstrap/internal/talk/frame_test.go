package talk

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteFrame(&b, FramePing, nil))
	big := bytes.Repeat([]byte{7}, 300<<10)
	require.NoError(t, WriteFrame(&b, FramePiece, big))
	orders := AgentOrders{Run: "r\xff", Host: "h", Lease: time.Second, Env: []string{"A=1"}, Files: true, Orders: []byte("x")}
	require.NoError(t, WriteMessage(&b, FrameOrders, orders))

	kind, payload, err := ReadFrame(&b, 0)
	require.NoError(t, err)
	require.Equal(t, FramePing, kind)
	require.Empty(t, payload)
	kind, payload, err = ReadFrame(&b, len(big))
	require.NoError(t, err)
	require.Equal(t, FramePiece, kind)
	require.True(t, bytes.Equal(big, payload))
	var back AgentOrders
	require.NoError(t, ReadMessage(&b, MaxEnvelope, FrameOrders, &back))
	require.Equal(t, orders, back)
	_, _, err = ReadFrame(&b, 0)
	require.ErrorIs(t, err, io.EOF)

	require.NoError(t, WriteFrame(&b, FramePing, big))
	_, _, err = ReadFrame(&b, len(big)-1)
	require.ErrorIs(t, err, ErrFrame)
	b.Reset()
	b.Write(AppendFrame(nil, FramePing, big)[:1000])
	_, _, err = ReadFrame(&b, len(big))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	b.Reset()
	require.NoError(t, WriteFrame(&b, FramePing, nil))
	require.ErrorIs(t, ReadMessage(&b, MaxControl, FrameOrders, &back), ErrFrame)
}

func TestNotice(t *testing.T) {
	for _, d := range []time.Duration{0, -1, time.Hour} {
		back, err := DecodeNotice(EncodeNotice(d))
		require.NoError(t, err)
		require.Equal(t, d, back)
	}
	_, err := DecodeNotice([]byte{1})
	require.ErrorIs(t, err, ErrFrame)
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendFrame(nil, FramePing, nil))
	f.Add(AppendFrame(nil, FrameTerminate, EncodeNotice(time.Second)))
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, payload, err := ReadFrame(bytes.NewReader(data), MaxControl)
		if err != nil {
			return
		}
		again := AppendFrame(nil, kind, payload)
		require.Equal(t, data[:len(again)], again)
	})
}
