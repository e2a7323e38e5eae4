package remote

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStrideFollowsTheConnection(t *testing.T) {
	var s stride
	require.Equal(t, loadBytes, s.bytes())
	for _, want := range []int{loadBytes / 2, loadBytes / 4, loadBytes / 4} {
		s.took(2 * longStep)
		require.Equal(t, want, s.bytes())
	}
	require.Equal(t, inlineBytes, s.bytes(), "a chunk is the least")
	s.took(longStep / 2)
	require.Equal(t, loadBytes/4, s.bytes())
	for _, want := range []int{loadBytes / 2, loadBytes, loadBytes} {
		s.took(time.Microsecond)
		require.Equal(t, want, s.bytes())
	}
}

// A writer that stands before a slow connection takes less of what is large at a time.
func TestWriterTakesLessForASlowConnection(t *testing.T) {
	o := newOutbox(1<<30, 1<<30, 64<<20)
	require.NoError(t, o.put(t.Context(), sizedParcel("x", 8*loadBytes)))
	var w writer
	size := func() (n int) {
		require.Equal(t, taken, o.take(&w))
		for _, part := range w.load {
			n += len(part)
		}
		return n
	}
	require.Greater(t, size(), loadBytes-inlineBytes)
	w.stride.took(time.Second)
	w.stride.took(time.Second)
	require.Less(t, size(), 2*inlineBytes)
}
