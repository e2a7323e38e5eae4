package bootstrap

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// FuzzAssembler feeds frames as a hostile host may send them; the names of nodes and attributes in them may be anything.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("abc"), byte(Log), byte(0))
	f.Add([]byte{0xa1, 0x64, 'T', 'e', 'x', 't', 0x61, 0xff}, byte(Log), byte(0))
	f.Add([]byte("line"), byte(Stdout), byte(1))
	f.Add([]byte{0xa2, 0x64, 'N', 'o', 'd', 'e', 0x61, 'x', 0x65, 'L', 'i', 'n', 'e', 's', 0x03}, byte(Gap), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, stream, flags byte) {
		a := assembler{host: "h"}
		for range 3 {
			p, err := record.ParsePiece(append([]byte{stream, flags, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, data...))
			if err != nil {
				return
			}
			r, complete, err := a.add(p)
			if p.Stream == Gap && err != nil {
				require.ErrorIs(t, err, talk.ErrFrame)
				return
			}
			require.NoError(t, err)
			require.Equal(t, flags == 0, complete)
			if complete && p.Stream != Log && p.Stream != Gap {
				require.Equal(t, string(data), r.Text)
			}
		}
	})
}

func TestSlogRecord(t *testing.T) {
	at := time.Unix(5, 0).UTC()
	r := Record{Host: "h", Time: at, Stream: Log, Node: "n", Level: slog.LevelWarn, Text: "t", Attrs: []Attr{{"a", "b"}}}
	var out bytes.Buffer
	require.NoError(t, slog.NewTextHandler(&out, nil).Handle(t.Context(), r.SlogRecord()))
	require.Equal(t, "time=1970-01-01T00:00:05.000Z level=WARN msg=t host=h stream=log node=n a=b\n", out.String())
}
