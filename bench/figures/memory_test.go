package figures

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemoryOfAProcess(t *testing.T) {
	m := parseMemory("Name:\tbench\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t5\n")
	require.Equal(t, Memory{Begin: 1 << 20, Peak: 2 << 20}, m)
	require.Zero(t, parseMemory(""))
}
