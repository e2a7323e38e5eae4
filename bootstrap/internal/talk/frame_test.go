package bootstrap

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, writeFrame(&b, framePing, nil))
	big := bytes.Repeat([]byte{7}, 300<<10)
	require.NoError(t, writeFrame(&b, framePiece, big))
	orders := agentOrders{Run: "r\xff", Host: "h", Lease: time.Second, Env: []string{"A=1"}, Files: true, Orders: []byte("x")}
	require.NoError(t, writeMessage(&b, frameOrders, orders))

	kind, payload, err := readFrame(&b, 0)
	require.NoError(t, err)
	require.Equal(t, framePing, kind)
	require.Empty(t, payload)
	kind, payload, err = readFrame(&b, len(big))
	require.NoError(t, err)
	require.Equal(t, framePiece, kind)
	require.True(t, bytes.Equal(big, payload))
	var back agentOrders
	require.NoError(t, readMessage(&b, maxEnvelope, frameOrders, &back))
	require.Equal(t, orders, back)
	_, _, err = readFrame(&b, 0)
	require.ErrorIs(t, err, io.EOF)

	require.NoError(t, writeFrame(&b, framePing, big))
	_, _, err = readFrame(&b, len(big)-1)
	require.ErrorIs(t, err, errFrame)
	b.Reset()
	b.Write(appendFrame(nil, framePing, big)[:1000])
	_, _, err = readFrame(&b, len(big))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	b.Reset()
	require.NoError(t, writeFrame(&b, framePing, nil))
	require.ErrorIs(t, readMessage(&b, maxControl, frameOrders, &back), errFrame)
}

func TestNotice(t *testing.T) {
	for _, d := range []time.Duration{0, -1, time.Hour} {
		back, err := decodeNotice(encodeNotice(d))
		require.NoError(t, err)
		require.Equal(t, d, back)
	}
	_, err := decodeNotice([]byte{1})
	require.ErrorIs(t, err, errFrame)
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendFrame(nil, framePing, nil))
	f.Add(appendFrame(nil, frameTerminate, encodeNotice(time.Second)))
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, payload, err := readFrame(bytes.NewReader(data), maxControl)
		if err != nil {
			return
		}
		again := appendFrame(nil, kind, payload)
		require.Equal(t, data[:len(again)], again)
	})
}

func FuzzPiece(f *testing.F) {
	for _, p := range []piece{
		{stream: Stdout, seq: 1, nodeSeq: 3, time: 2, data: []byte("line")},
		{stream: Log, more: true},
		{stream: Agent, drop: true, level: -4},
	} {
		f.Add(appendPiece(nil, p)[frameHeader:])
	}
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePiece(data)
		if err != nil {
			return
		}
		require.Equal(t, data, appendPiece(nil, p)[frameHeader:])
	})
}

// FuzzAssembler feeds frames as a hostile host may send them; the names of nodes and attributes in them may be anything.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("abc"), byte(Log), byte(0))
	f.Add([]byte{0xa1, 0x64, 'T', 'e', 'x', 't', 0x61, 0xff}, byte(Log), byte(0))
	f.Add([]byte("line"), byte(Stdout), byte(1))
	f.Add([]byte{0xa2, 0x64, 'N', 'o', 'd', 'e', 0x61, 'x', 0x65, 'L', 'i', 'n', 'e', 's', 0x03}, byte(Gap), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, stream, flags byte) {
		a := assembler{host: "h"}
		for range 3 {
			p, err := parsePiece(append([]byte{stream, flags, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, data...))
			if err != nil {
				return
			}
			r, complete, err := a.add(p)
			if p.stream == Gap && err != nil {
				require.ErrorIs(t, err, errFrame)
				return
			}
			require.NoError(t, err)
			require.Equal(t, flags == 0, complete)
			if complete && p.stream != Log && p.stream != Gap {
				require.Equal(t, string(data), r.Text)
			}
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add("", "")
	f.Add("welcome\n", "rest")
	f.Add("\x1etlaunch\x1e", preamble)
	f.Fuzz(func(t *testing.T, noise, rest string) {
		if strings.Contains(noise+preamble[:len(preamble)-1], preamble) {
			return
		}
		var lines []string
		r, err := hello(io.MultiReader(strings.NewReader(noise+preamble), strings.NewReader(rest)), func(l string) { lines = append(lines, l) })
		require.NoError(t, err)
		after, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, rest, string(after))
		if len(noise) < maxPiece {
			require.Equal(t, strings.TrimSuffix(noise, "\n"), strings.Join(lines, "\n"))
		}
	})
}

func TestHelloThatNeverComes(t *testing.T) {
	var lines []string
	_, err := hello(strings.NewReader("a\nb"+preamble[:9]), func(l string) { lines = append(lines, l) })
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []string{"a", "b" + preamble[:9]}, lines)
}
