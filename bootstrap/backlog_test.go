package bootstrap

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestBacklogReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		b := newBacklog(r, 10)
		_, err := io.WriteString(w, "12345678") // nobody reads, and this does not block
		require.NoError(t, err)
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, err := io.WriteString(w, strings.Repeat("x", 5)+strings.Repeat("y", 5<<10))
			require.NoError(t, err)
			require.NoError(t, w.Close())
		}()
		<-b.full
		synctest.Wait()
		select {
		case <-written:
			t.Fatal("more than a piece beyond the limit was read ahead")
		default:
		}
		all, err := io.ReadAll(b)
		require.NoError(t, err)
		require.Equal(t, "12345678xxxxx"+strings.Repeat("y", 5<<10), string(all))
		<-written
		b.wait()
	})
}

func TestBacklogEndsWithItsSource(t *testing.T) {
	broken := errors.New("broken")
	b := newBacklog(io.NopCloser(io.MultiReader(strings.NewReader("last words"), iotest.ErrReader(broken))), 100)
	all, err := io.ReadAll(b)
	require.ErrorIs(t, err, broken)
	require.Equal(t, "last words", string(all))
	b.wait()
}

// Nobody reads any more: closing frees who waits for room.
func TestBacklogClose(t *testing.T) {
	r, w := io.Pipe()
	b := newBacklog(r, 4)
	_, err := io.WriteString(w, "12345678")
	require.NoError(t, err)
	<-b.full
	b.wait()
	_, err = io.WriteString(w, "more")
	require.ErrorIs(t, err, io.ErrClosedPipe)
}
