package ship

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A source that says nothing is not waited for as if it were to send the largest file that there is.
func TestFetchSeconds(t *testing.T) {
	for size, want := range map[int64]int64{0: 10, 20 << 20: 30, 1 << 30: 300, 1 << 50: 300} {
		require.Equal(t, want, fetchSeconds(size), "%d bytes", size)
	}
	require.Equal(t, "T=", (*Source)(nil).variables(1))
	require.Equal(t, "G='::1'; P='22'; T='ABC'; U='[::1]:22'; S=11", (&Source{Host: "::1", Port: "22", Token: "ABC"}).variables(1<<20))
}
