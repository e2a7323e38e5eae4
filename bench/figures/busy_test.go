package figures

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcessors(t *testing.T) {
	before := parseProcessors("cpu  10 1 20 100 5 2 3 4 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
	require.Equal(t, Processors{40, 145}, before)
	after := parseProcessors("cpu  40 1 20 110 15 2 3 4 9 9\n")
	require.Equal(t, Processors{70, 195}, after)
	require.Equal(t, 0.6, after.Since(before))
	require.Zero(t, before.Since(before))
	require.Zero(t, parseProcessors(""))
	now := ProcessorsNow()
	require.LessOrEqual(t, now.Busy, now.All)
}
