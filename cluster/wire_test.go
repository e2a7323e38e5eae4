package cluster

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFrameRoundTrip(t *testing.T) {
	m := member("h", math.MaxUint64-1)
	m.Meta = map[string]string{"k": "v"}
	q := request{ID: 7, Op: opRegister, Run: "r", Host: "h", Incarnation: 3, Member: m, Data: []byte{0}}
	a := answer{ID: 7, Status: statusFenced, Text: "text", Members: []Member{m}, Data: []byte{1}}
	frames, err := appendFrame(nil, q, maxRequestFrame)
	require.NoError(t, err)
	frames, err = appendFrame(frames, a, maxAnswerFrame)
	require.NoError(t, err)

	r := bytes.NewReader(frames)
	var q2 request
	var a2 answer
	require.NoError(t, readFrame(r, &q2, maxRequestFrame))
	require.NoError(t, readFrame(r, &a2, maxAnswerFrame))
	require.Equal(t, q, q2)
	require.Equal(t, a, a2)
	require.ErrorIs(t, readFrame(r, &a2, maxAnswerFrame), io.EOF)
}

func TestFrameBounds(t *testing.T) {
	_, err := appendFrame(nil, request{Data: make([]byte, 100)}, 100)
	require.ErrorIs(t, err, ErrInvalid)
	var q request
	require.ErrorIs(t, readFrame(bytes.NewReader([]byte{0, 0, 0, 9, 1}), &q, 8), ErrProtocol)
	require.ErrorIs(t, readFrame(bytes.NewReader([]byte{0, 0, 0, 8, 1}), &q, 8), io.ErrUnexpectedEOF)
}

// Section 2: "a definite length, without tags or repeated map keys".
func TestFrameStrictness(t *testing.T) {
	for name, item := range map[string][]byte{
		"indefinite length": {0xbf, 0x01, 0x07, 0xff},
		"repeated key":      {0xa2, 0x01, 0x07, 0x01, 0x08},
		"tag":               {0xc1, 0xa1, 0x01, 0x07},
		"trailing byte":     {0xa1, 0x01, 0x07, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			var q request
			frame := append([]byte{0, 0, 0, byte(len(item))}, item...)
			require.ErrorIs(t, readFrame(bytes.NewReader(frame), &q, maxRequestFrame), ErrProtocol)
		})
	}
}

// The largest list that a run can have fits into a frame.
func TestLargestListFits(t *testing.T) {
	m := Member{
		Run: string(bytes.Repeat([]byte("r"), maxRunName)), Host: string(bytes.Repeat([]byte("h"), maxHostName)),
		Address: string(bytes.Repeat([]byte("a"), maxAddress)), Incarnation: math.MaxUint64, Meta: map[string]string{},
	}
	for i := range maxMetaPairs {
		key := "k" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		m.Meta[key] = string(bytes.Repeat([]byte("v"), maxMetaTotal/maxMetaPairs-len(key)))
	}
	a := answer{ID: math.MaxUint64, Members: make([]Member, MaxMembers)}
	for i := range a.Members {
		a.Members[i] = m
	}
	_, err := appendFrame(nil, a, maxAnswerFrame)
	require.NoError(t, err)
	_, err = appendFrame(nil, request{Data: make([]byte, MaxDescription)}, maxRequestFrame)
	require.NoError(t, err)
}

func TestStatusesCarrySentinels(t *testing.T) {
	for s, sentinel := range statusErrors {
		a := failed(3, errors.Join(errors.New("because"), sentinel))
		require.Equal(t, s, a.Status)
		require.ErrorIs(t, a.err(), sentinel)
		require.Contains(t, a.err().Error(), "because")
	}
	require.NoError(t, answer{}.err())
	require.ErrorIs(t, answer{Status: 200}.err(), ErrProtocol)
}

func FuzzReadFrame(f *testing.F) {
	for _, v := range []any{
		request{ID: 1, Op: opRegister, Member: member("h", 1)},
		request{ID: 2, Op: opDescribe, Run: "r", Data: []byte("d")},
		answer{ID: 1, Members: []Member{member("h", 1)}},
		answer{ID: 2, Status: statusInvalid, Text: "t"},
	} {
		frame, err := appendFrame(nil, v, maxAnswerFrame)
		require.NoError(f, err)
		f.Add(frame)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 3, 0x9b, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var q request
		if readFrame(bytes.NewReader(data), &q, maxRequestFrame) == nil {
			again, err := appendFrame(nil, q, math.MaxInt32)
			require.NoError(t, err)
			var q2 request
			require.NoError(t, readFrame(bytes.NewReader(again), &q2, math.MaxUint32))
			frame2, err := appendFrame(nil, q2, math.MaxInt32)
			require.NoError(t, err)
			require.Equal(t, again, frame2)
		}
		var a answer
		if readFrame(bytes.NewReader(data), &a, maxAnswerFrame) == nil {
			again, err := appendFrame(nil, a, math.MaxInt32)
			require.NoError(t, err)
			var a2 answer
			require.NoError(t, readFrame(bytes.NewReader(again), &a2, math.MaxUint32))
			require.Equal(t, a.err() == nil, a2.err() == nil)
		}
	})
}
