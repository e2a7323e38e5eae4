package bootstrap

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

func FuzzHello(f *testing.F) {
	f.Add("", "")
	f.Add("welcome\n", "rest")
	f.Add("\x1etlaunch\x1e", talk.Preamble)
	f.Fuzz(func(t *testing.T, noise, rest string) {
		if strings.Contains(noise+talk.Preamble[:len(talk.Preamble)-1], talk.Preamble) {
			return
		}
		var lines []string
		r, err := hello(io.MultiReader(strings.NewReader(noise+talk.Preamble), strings.NewReader(rest)), func(l string) { lines = append(lines, l) })
		require.NoError(t, err)
		after, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, rest, string(after))
		if len(noise) < record.MaxPiece {
			require.Equal(t, strings.TrimSuffix(noise, "\n"), strings.Join(lines, "\n"))
		}
	})
}

func TestHelloThatNeverComes(t *testing.T) {
	var lines []string
	_, err := hello(strings.NewReader("a\nb"+talk.Preamble[:9]), func(l string) { lines = append(lines, l) })
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []string{"a", "b" + talk.Preamble[:9]}, lines)
}

// What start files print before the agent speaks is the host's, whatever it looks like.
func TestNoiseBeforeThePreamble(t *testing.T) {
	var lines []string
	out := strings.NewReader("welcome\n\x1etlaunch is not \x1e\x1eyet here\nno newline" + talk.Preamble + "rest")
	r, err := hello(out, func(l string) { lines = append(lines, l) })
	require.NoError(t, err)
	require.Equal(t, []string{"welcome", "\x1etlaunch is not \x1e\x1eyet here", "no newline"}, lines)
	after, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "rest", string(after))
}
