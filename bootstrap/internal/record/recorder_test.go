package record

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// line is a record as it arrives.
type line struct {
	Piece
	Text    string
	Missing Missing
	Body    LogPayload
}

// recordsIn puts together what a recorder has sent.
func recordsIn(t *testing.T, sent *bytes.Buffer) []line {
	var records []line
	open := map[Stream][]byte{}
	for {
		kind, payload, err := talk.ReadFrame(sent, PieceHeader+MaxPiece)
		if errors.Is(err, io.EOF) {
			return records
		}
		require.NoError(t, err)
		require.Equal(t, talk.FramePiece, kind)
		p, err := ParsePiece(payload)
		require.NoError(t, err)
		data := append(open[p.Stream], p.Data...)
		switch {
		case p.Drop:
			delete(open, p.Stream)
			continue
		case p.More:
			open[p.Stream] = data
			continue
		}
		delete(open, p.Stream)
		one := line{Piece: p, Text: string(data)}
		switch p.Stream {
		case Gap:
			require.NoError(t, talk.Decode(data, &one.Missing))
			one.Node, one.Text = one.Missing.Node, one.Missing.Text()
		case Log:
			if talk.Decode(data, &one.Body) == nil {
				one.Node, one.Text = one.Body.Node, one.Body.Text
			}
		}
		records = append(records, one)
	}
}

// Lines come out as strings.Split would cut them, however the bytes arrive.
func TestLinesAgainstSplit(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	for range 100 {
		text := make([]byte, random.IntN(4*MaxPiece))
		every := 1 + random.IntN(3*MaxPiece)
		for i := range text {
			if text[i] = 'a'; random.IntN(every) == 0 {
				text[i] = '\n'
			}
		}
		want := strings.Split(string(text), "\n")
		if last := len(want) - 1; want[last] == "" {
			want = want[:last]
		}
		var in io.Reader = bytes.NewReader(text)
		if random.IntN(2) == 0 {
			in = iotest.HalfReader(in)
		}
		var sent bytes.Buffer
		r := New(&sent, 0, -1)
		r.ReadLines(Stderr, in)
		r.Finish(nil)
		var got []string
		for i, record := range recordsIn(t, &sent) {
			require.EqualValues(t, i+1, record.Seq)
			require.Equal(t, Stderr, record.Stream)
			got = append(got, record.Text)
		}
		require.Equal(t, len(want), len(got), "seed %d", seed)
		for i := range want {
			require.True(t, want[i] == got[i], "seed %d, line %d", seed, i)
		}
	}
}

func TestRecorderPushesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, in := io.Pipe()
		r := New(in, 0, -1)
		written := 0
		go func() {
			line := bytes.Repeat([]byte{'x'}, 1000)
			for range 10_000 {
				r.add(Piece{Stream: Stdout, Data: line})
				written++
			}
			r.Finish(nil)
			_ = in.Close()
		}()
		synctest.Wait()
		require.Less(t, written, 2*maxPending/1000+2) // one batch on its way, one filling
		var sent bytes.Buffer
		_, err := sent.ReadFrom(out)
		require.NoError(t, err)
		require.Len(t, recordsIn(t, &sent), 10_000)
	})
}

func TestRecorderWithoutLauncherBlocksNobody(t *testing.T) {
	out, in := io.Pipe()
	r := New(in, 0, -1)
	require.NoError(t, out.CloseWithError(io.ErrClosedPipe))
	for range 10_000 {
		r.add(Piece{Stream: Stdout, Data: make([]byte, 1000)})
	}
	r.Finish(nil)
	require.True(t, r.cut)
}

func TestLogPipe(t *testing.T) {
	var pipe bytes.Buffer
	log := slog.New(NewHandler(NewPipe(&pipe)))
	log.Info("first", "when", time.Date(2020, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)), "err", errors.New("e"))
	log.With("a", 1).WithGroup("g").With("b", true).Debug("second", slog.Group("h", "c", 2.5), slog.Attr{})
	whole := pipe.Len()
	log.Error(strings.Repeat("long", MaxPiece))
	for _, c := range []struct {
		name  string
		bytes []byte
		texts []string
	}{
		{"whole", pipe.Bytes(), []string{"first", "second", strings.Repeat("long", MaxPiece)}},
		{"cut in the text", pipe.Bytes()[:pipe.Len()-1], []string{"first", "second", "the last log record was cut short: 1 bytes are missing"}},
		{"cut in the length", pipe.Bytes()[:whole+2], []string{"first", "second", "the last log record was cut short"}},
		{"no records", append(bytes.Clone(pipe.Bytes()[:whole]), "Hello, world!"...), []string{"first", "second", "the worker's log pipe carries something else than log records; the rest of it is dropped"}},
		{"not CBOR", append(bytes.Clone(pipe.Bytes()[:whole]), 0, 0, 0, 2, 0, 0), []string{"first", "second", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent bytes.Buffer
			r := New(&sent, 0, -1)
			r.ReadLogs(bytes.NewReader(c.bytes))
			r.Finish(nil)
			records := recordsIn(t, &sent)
			var texts []string
			for _, r := range records {
				texts = append(texts, r.Text)
			}
			require.Equal(t, c.texts, texts)
			require.Equal(t, []Attr{{"when", "2020-01-02T02:04:05.000000006Z"}, {"err", "e"}}, records[0].Body.Attrs)
			require.Equal(t, []Attr{{"a", "1"}, {"g.b", "true"}, {"g.h.c", "2.5"}}, records[1].Body.Attrs)
			require.EqualValues(t, slog.LevelDebug, records[1].Body.Level)
		})
	}
}
