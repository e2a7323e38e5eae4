package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func ExampleConsole() {
	console := NewConsole(os.Stdout, ConsoleOptions{})
	at := time.Date(2026, 5, 1, 12, 30, 0, 0, time.UTC)
	for _, r := range []Record{
		{Host: "host1", Stream: Stdout, Text: "loading"},
		{Host: "host1", Stream: Log, Node: "consumer-0", Time: at, Text: "sent", Attrs: []Attr{{"total", "15"}, {"to", "all of them"}}},
		{Host: "host2", Stream: Stderr, Text: "a\x1b[2Jb"},
		{Host: "host2", Stream: Agent, Level: slog.LevelWarn, Text: "the worker stops"},
	} {
		if err := console.Print(r); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// host1 │ loading
	// consumer-0@host1 │ 12:30:00.000 INFO  sent total=15 to="all of them"
	// host2            │ a\x1b[2Jb
	// host2            │ WARN  the worker stops
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"plain\ttext é 日本 👩‍🔬": "plain\ttext é 日本 👩‍🔬",
		"\x1b]0;title\x07":     `\x1b]0;title\x07`,
		"a\rb\x7f":             `a\x0db\x7f`,
		"\x9b31m":              `\x9b31m`,
		"\u009b31m":            `\u009b31m`,
		"bad \xff\xc3":         `bad \xff\xc3`,
		"abc\u202edef\u2028":   `abc\u202edef\u2028`,
		"\ufffd":               "\ufffd",
		"\U000e0041":           `\U000e0041`,
	} {
		require.Equal(t, want, Printable(in))
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("text")
	f.Add("\x1b[31m\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		out := Printable(s)
		require.True(t, utf8.ValidString(out))
		for _, r := range out {
			require.False(t, r != utf8.RuneError && harmful(r), "%q", out)
		}
		require.Equal(t, out, Printable(out))
	})
}

func TestConsoleColours(t *testing.T) {
	var out bytes.Buffer
	c := NewConsole(&out, ConsoleOptions{Color: true, Level: slog.LevelWarn})
	for _, r := range []Record{
		{Host: "h", Stream: Log, Level: slog.LevelInfo, Text: "left out"},
		{Host: "h", Stream: Log, Level: slog.LevelWarn, Text: "one"},
		{Host: "h", Stream: Log, Level: slog.LevelError, Text: "two\nlines\r", Attrs: []Attr{{"empty", ""}}},
	} {
		require.NoError(t, c.Print(r))
	}
	name := colour("h") + "h" + colourOff + " │ "
	require.Equal(t, name+"00:00:00.000 \x1b[33mWARN  "+colourOff+"one\n"+
		name+"00:00:00.000 \x1b[31mERROR "+colourOff+`two empty=""`+"\n"+
		name+"00:00:00.000 \x1b[31mERROR "+colourOff+"lines\n", out.String())
}

func TestConsoleWriter(t *testing.T) {
	broken := errors.New("broken")
	require.ErrorIs(t, NewConsole(errWriter{broken}, ConsoleOptions{}).Print(Record{Text: "x"}), broken)
}

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }
