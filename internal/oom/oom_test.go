package oom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWatch(t *testing.T) {
	kills, known := uint64(5), true
	now := time.Unix(0, 0)
	w := newWatch(func() (uint64, bool) { return kills, known }, now)
	require.False(t, w.Killed(), "what was before does not count")
	kills++
	require.True(t, w.Killed())
	now = now.Add(window)
	w.Tick(now)
	require.True(t, w.Killed(), "ten seconds later")
	w.Tick(now.Add(window - 1))
	require.True(t, w.Killed())
	w.Tick(now.Add(window))
	require.False(t, w.Killed(), "twenty seconds later")
	kills++
	require.True(t, w.Killed())
	known = false
	require.False(t, w.Killed())
	require.False(t, newWatch(func() (uint64, bool) { return 1, false }, now).Killed())
	require.False(t, NewWatch().Killed())
}
