package record

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

func FuzzPiece(f *testing.F) {
	header := len(talk.AppendFrame(nil, talk.FramePiece, nil))
	for _, p := range []Piece{
		{Stream: Stdout, Seq: 1, NodeSeq: 3, Time: 2, Data: []byte("line")},
		{Stream: Log, More: true},
		{Stream: Agent, Drop: true, Level: -4},
	} {
		f.Add(AppendPiece(nil, p)[header:])
	}
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePiece(data)
		if err != nil {
			return
		}
		require.Equal(t, data, AppendPiece(nil, p)[header:])
	})
}
