package agent

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A deadman's timer runs while it beats, and is gone afterwards. That it kills is TestNothingIsLeftWhenTheAgentIsStopped.
func TestDeadman(t *testing.T) {
	timers := func() int {
		text, err := os.ReadFile("/proc/self/timers")
		require.NoError(t, err)
		return strings.Count(string(text), "signal: 9/")
	}
	before := timers()
	d, err := startDeadman(time.Hour)
	require.NoError(t, err)
	require.Equal(t, before+1, timers())
	d.allow(time.Minute)
	d.stop()
	require.Equal(t, before, timers())
}
