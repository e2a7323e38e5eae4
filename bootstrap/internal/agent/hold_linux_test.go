package agent

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/hold"
)

func TestWaysToHold(t *testing.T) {
	for _, c := range []struct {
		uid     int
		setting string
		want    []string
	}{
		{0, "", []string{heldByNamespace, heldByReapers}},
		{0, "user", []string{heldByNamespace, heldByReapers}},
		{0, "off", []string{heldByReapers}},
		{1000, "", []string{heldByReapers}},
		{1000, "user", []string{heldByUser, heldByReapers}},
		{1000, "off", []string{heldByReapers}},
		{1000, "anything", []string{heldByReapers}},
	} {
		require.Equal(t, c.want, waysToHold(c.uid, c.setting), "%d %q", c.uid, c.setting)
	}
}

// Whatever an init says, or does not, the agent hears of it within its patience, and then listens for more.
func TestAnInitThatDoesNotStartTheWorker(t *testing.T) {
	begin := func(t *testing.T) (*ward, *os.File) {
		words, say, err := os.Pipe()
		require.NoError(t, err)
		t.Cleanup(func() { _, _ = words.Close(), say.Close() })
		return &ward{words: words}, say
	}
	w, _ := begin(t)
	require.ErrorContains(t, w.hearStart(time.Millisecond), "within 1ms")
	w, say := begin(t)
	require.NoError(t, say.Close())
	require.ErrorIs(t, w.hearStart(time.Minute), io.EOF)
	w, say = begin(t)
	_, err := say.Write(hold.Word{Kind: hold.Failed, Errno: syscall.EPERM}.Append(nil))
	require.NoError(t, err)
	require.ErrorIs(t, w.hearStart(time.Minute), syscall.EPERM)
	w, say = begin(t)
	_, err = say.Write(hold.Word{Kind: hold.Started}.Append(nil))
	require.NoError(t, err)
	require.NoError(t, w.hearStart(time.Minute))
	_, err = say.Write(hold.Word{Kind: hold.Ended}.Append(nil))
	require.NoError(t, err)
	word, err := w.hear()
	require.NoError(t, err)
	require.Equal(t, hold.Ended, word.Kind)
}
