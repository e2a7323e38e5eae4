package bootstrap

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
)

// recordsIn decodes what a recorder has sent.
func recordsIn(t *testing.T, sent *bytes.Buffer) []Record {
	var records []Record
	a := assembler{host: "h"}
	for {
		kind, payload, err := readFrame(sent, pieceHeader+maxPiece)
		if errors.Is(err, io.EOF) {
			return records
		}
		require.NoError(t, err)
		if kind == frameExit {
			continue
		}
		p, err := parsePiece(payload)
		require.NoError(t, err)
		r, complete, err := a.add(p)
		require.NoError(t, err)
		if complete {
			records = append(records, r)
		}
	}
}

// Lines come out as strings.Split would cut them, however the bytes arrive.
func TestLinesAgainstSplit(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	for range 100 {
		text := make([]byte, random.IntN(4*maxPiece))
		every := 1 + random.IntN(3*maxPiece)
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
		r := newRecorder(&sent, 0, -1)
		r.readLines(Stderr, in)
		r.finish(nil)
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
		r := newRecorder(in, 0, -1)
		written := 0
		go func() {
			line := bytes.Repeat([]byte{'x'}, 1000)
			for range 10_000 {
				r.add(piece{stream: Stdout, data: line})
				written++
			}
			r.finish(nil)
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
	r := newRecorder(in, 0, -1)
	require.NoError(t, out.CloseWithError(io.ErrClosedPipe))
	for range 10_000 {
		r.add(piece{stream: Stdout, data: make([]byte, 1000)})
	}
	r.finish(nil)
	require.True(t, r.cut)
}

func TestLogPipe(t *testing.T) {
	var pipe bytes.Buffer
	log := slog.New(newPipeHandler(&pipeWriter{w: &pipe}))
	log.Info("first", "when", time.Date(2020, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)), "err", errors.New("e"))
	log.With("a", 1).WithGroup("g").With("b", true).Debug("second", slog.Group("h", "c", 2.5), slog.Attr{})
	whole := pipe.Len()
	log.Error(strings.Repeat("long", maxPiece))
	for _, c := range []struct {
		name  string
		bytes []byte
		texts []string
	}{
		{"whole", pipe.Bytes(), []string{"first", "second", strings.Repeat("long", maxPiece)}},
		{"cut in the text", pipe.Bytes()[:pipe.Len()-1], []string{"first", "second", "the last log record was cut short: 1 bytes are missing"}},
		{"cut in the length", pipe.Bytes()[:whole+2], []string{"first", "second", "the last log record was cut short"}},
		{"no records", append(bytes.Clone(pipe.Bytes()[:whole]), "Hello, world!"...), []string{"first", "second", "the worker's log pipe carries something else than log records; the rest of it is dropped"}},
		{"not CBOR", append(bytes.Clone(pipe.Bytes()[:whole]), 0, 0, 0, 2, 0, 0), []string{"first", "second", "a log record that cannot be read: EOF"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent bytes.Buffer
			r := newRecorder(&sent, 0, -1)
			r.readLogs(bytes.NewReader(c.bytes))
			r.finish(nil)
			records := recordsIn(t, &sent)
			var texts []string
			for _, r := range records {
				texts = append(texts, r.Text)
			}
			require.Equal(t, c.texts, texts)
			require.Equal(t, []Attr{{"when", "2020-01-02T02:04:05.000000006Z"}, {"err", "e"}}, records[0].Attrs)
			require.Equal(t, []Attr{{"a", "1"}, {"g.b", "true"}, {"g.h.c", "2.5"}}, records[1].Attrs)
			require.Equal(t, slog.LevelDebug, records[1].Level)
		})
	}
}

func TestSlogRecord(t *testing.T) {
	at := time.Unix(5, 0).UTC()
	r := Record{Host: "h", Time: at, Stream: Log, Node: "n", Level: slog.LevelWarn, Text: "t", Attrs: []Attr{{"a", "b"}}}
	var out bytes.Buffer
	require.NoError(t, slog.NewTextHandler(&out, nil).Handle(t.Context(), r.SlogRecord()))
	require.Equal(t, "time=1970-01-01T00:00:05.000Z level=WARN msg=t host=h stream=log node=n a=b\n", out.String())
}
