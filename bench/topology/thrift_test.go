package topology

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A way is left out where its links alone take longer than another one has, with chunks of any size; one of which nothing is known is not.
func TestHopeless(t *testing.T) {
	first := outcome{Size: mib, Seconds: []float64{3, 1, 2}, ways: []collective.Candidate{
		{Algorithm: collective.Chain, Links: time.Second}, {Algorithm: collective.Tree, Links: 4 * time.Second}, {Algorithm: collective.Tree, Links: 3 * time.Second},
		{Algorithm: collective.Direct, Links: 3500 * time.Millisecond},
	}}
	for algorithm, want := range map[string]bool{"chain": false, "tree": false, "direct": true, "doubling": false, "byshape": false, bareChain: false} {
		require.Equal(t, want, first.hopeless(algorithm), algorithm)
	}
	require.False(t, new(outcome).hopeless("direct"), "the first itself")
	first.Size--
	require.False(t, first.hopeless("direct"), "small")
}

func TestAffordable(t *testing.T) {
	c := programConfig{Most: 2}
	for seconds, want := range map[float64]int{0: 5, 0.1: 5, 0.5: 4, 0.9: 2, 1.5: 1, 2: 1, 2.1: 0} {
		require.Equal(t, want, c.affordable(5, seconds), "%v", seconds)
	}
	require.Equal(t, 5, programConfig{}.affordable(5, 100))
	all := make([]int64, 3*shareLen)
	all[0], all[1], all[shareLen] = 1e9, 9e9, 3e9
	require.Equal(t, 3.0, slowestIn(all))
}
