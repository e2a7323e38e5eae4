package bootstrap

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFindMark(t *testing.T) {
	for name, c := range map[string]struct {
		output, said, after string
		err                 error
	}{
		"alone":                             {output: "mark-7;a;b\nrest", said: "7;a;b", after: "rest"},
		"after noise":                       {output: "Welcome!\nto\nmark-none\n", said: "none"},
		"after a line without end":          {output: "Welcome!mark-none\r\n", said: "none"},
		"after a line longer than a buffer": {output: strings.Repeat("x", 9000) + "mark-none\n", said: "none"},
		"never":                             {output: "Welcome!\nmark\n", err: io.EOF},
		"in the last line, cut off":         {output: "mark-no", err: io.EOF},
		"lines without end":                 {output: strings.Repeat("noise\n", 100<<10), err: errNoise},
		"a line without end":                {output: strings.Repeat("noise", 100<<10), err: errNoise},
	} {
		t.Run(name, func(t *testing.T) {
			in := bufio.NewReader(strings.NewReader(c.output))
			var read bytes.Buffer
			said, err := findMark(in, &read, "mark-")
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.said, said)
			if c.err != nil {
				return
			}
			all, err := io.ReadAll(io.MultiReader(&read, in))
			require.NoError(t, err)
			require.Equal(t, c.output, string(all), "all can be read again")
			require.True(t, strings.HasSuffix(string(all), c.after))
		})
	}
}

// A login shell that waits for something does not hold up a launch for ever.
func TestALoginShellThatDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, shell := io.Pipe()
		defer shell.Close()
		c := &command{out: out, err: &backlog{full: make(chan struct{})}}
		go func() { _, _ = io.WriteString(shell, "Welcome!\n") }()
		began := time.Now()
		_, err := c.awaitShell(t.Context(), "mark-")
		require.ErrorIs(t, err, errShell)
		require.Equal(t, shellPatience, time.Since(began))
	})
}
