package bootstrap

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"nothing":                   {nil, nil},
		"one":                       {[]string{"a\n"}, []string{"a"}},
		"several at once":           {[]string{"a\nb\n\nc\n"}, []string{"a", "b", "", "c"}},
		"in pieces":                 {[]string{"a", "b", "\nc", "d\ne\n"}, []string{"ab", "cd", "e"}},
		"the last without an end":   {[]string{"a\nb"}, []string{"a", "b"}},
		"any bytes":                 {[]string{"\x00\xff\r\n"}, []string{"\x00\xff\r"}},
		"as long as may be":         {[]string{strings.Repeat("x", maxNodeLine), "\n"}, []string{strings.Repeat("x", maxNodeLine)}},
		"too long":                  {[]string{strings.Repeat("x", maxNodeLine-1), "yyy", "z\nnext\n"}, []string{strings.Repeat("x", maxNodeLine-1) + "y [line cut: 3 more bytes]", "next"}},
		"too long in one piece":     {[]string{strings.Repeat("x", maxNodeLine+2) + "\n"}, []string{strings.Repeat("x", maxNodeLine) + " [line cut: 2 more bytes]"}},
		"too long and without end":  {[]string{strings.Repeat("x", maxNodeLine+2)}, []string{strings.Repeat("x", maxNodeLine) + " [line cut: 2 more bytes]"}},
		"pieces that end on an end": {[]string{"a\n", "\n"}, []string{"a", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			w := NewLines(func(line string) { got = append(got, line) })
			for _, s := range c.writes {
				n, err := w.Write([]byte(s))
				require.NoError(t, err)
				require.Equal(t, len(s), n)
			}
			require.NoError(t, w.Close())
			require.True(t, strings.Join(c.want, "\n") == strings.Join(got, "\n"), "of %d lines, not %d", len(got), len(c.want))
		})
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), 2)
	f.Add([]byte("\n\n"), 1)
	f.Add([]byte("no end"), 3)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		var got strings.Builder
		count := 0
		w := NewLines(func(line string) {
			require.NotContains(t, line, "\n")
			got.WriteString(line + "\n")
			count++
		})
		for rest := text; len(rest) > 0; {
			n := min(max(size, 1), len(rest))
			_, err := w.Write(rest[:n])
			require.NoError(t, err)
			rest = rest[n:]
		}
		require.NoError(t, w.Close())
		want := string(text)
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		require.Equal(t, want, got.String())
		require.Equal(t, strings.Count(want, "\n"), count)
	})
}

func ExampleNewLines() {
	w := NewLines(func(line string) { fmt.Printf("%q\n", line) })
	_, _ = io.WriteString(w, "one\ntw")
	_, _ = io.WriteString(w, "o\nand the rest")
	_ = w.Close()
	// Output:
	// "one"
	// "two"
	// "and the rest"
}

func TestOutputOfNodes(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "output")
	succeeds(t, p)
	var got []string
	for _, r := range j.all() {
		text := r.Text
		if len(text) > 100 {
			text = fmt.Sprintf("%d bytes", len(text))
		}
		got = append(got, fmt.Sprintf("%d %v %s %q", r.Seq, r.Stream, r.Node, text))
		require.False(t, r.Time.IsZero())
	}
	require.Equal(t, []string{`1 stdout trainer/0 "first"`, `2 stderr trainer/0 "second\xff"`, `3 stdout wörker "1048576 bytes"`, `4 stdout trainer/0 "no newline"`}, got)
	require.Empty(t, p.Exit().Last, "they are not the process's own lines")
}

func TestFilesOfHosts(t *testing.T) {
	t.Parallel()
	dir, want := shipment(t)
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " data/", " files/0/")
	}
	p, j := launchLocal(t, Config{Files: map[string]map[string]string{"host1": {"files/0": dir}, "other": {"files/1": filepath.Dir(dir)}}}, "files")
	succeeds(t, p)
	require.Equal(t, want, j.texts(Stdout))

	_, err := NewLauncher(Config{Files: map[string]map[string]string{"other": {"files/1": filepath.Join(dir, "none")}}})
	require.ErrorContains(t, err, "folder to ship")
	_, _, err = tryLaunch(t, Config{Ship: []string{dir}, Files: map[string]map[string]string{"host1": {"data": dir}}}, "files")
	require.ErrorContains(t, err, "there is a folder data in the work folder already")
}
