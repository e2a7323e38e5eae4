package launch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPeakMemory(t *testing.T) {
	require.Equal(t, int64(2048*1024), parsePeak("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"))
	require.Zero(t, parsePeak("VmRSS:\t    1024 kB\n"))
	require.Greater(t, peakMemory(), int64(1<<20))
}
