package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	for n, want := range map[int]int{0: 512, 1: 512, 512: 512, 513: 1024, 1 << 20: 1 << 20, 1<<22 - 1: 1 << 22, 1 << 22: 1 << 22, 1<<22 + 1: 1<<22 + 1} {
		p := Get(n)
		require.Len(t, *p, n)
		require.Equal(t, want, cap(*p), "%d", n)
		Put(p)
	}
	odd := make([]byte, 700)
	Put(&odd) // not one of ours: forgotten
	require.Equal(t, 1024, cap(*Get(700)))
}
