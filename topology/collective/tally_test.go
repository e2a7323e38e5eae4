package collective

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTally(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var tl tally
	had, newest := map[uint64]bool{}, uint64(0)
	for range 50_000 {
		number := newest + uint64(r.IntN(4))
		switch r.IntN(50) {
		case 0:
			number = newest + uint64(r.IntN(2*tallyWidth)) // some are lost
		case 1, 2, 3:
			number = newest - min(newest, uint64(r.IntN(tallyWidth+100)))
		}
		want := !had[number] && number+tallyWidth > newest
		require.Equal(t, want, tl.first(1, number), "%d after %d", number, newest)
		had[number], newest = true, max(newest, number)
	}
	require.True(t, tl.first(2, 5), "a member that was started again counts anew")
	require.False(t, tl.first(2, 5))
	require.False(t, tl.first(1, newest+1), "of the one before")
	require.False(t, tl.first(2, 5))
	require.True(t, tl.first(2, math.MaxUint64/2))
	require.False(t, tl.first(2, 6))
}
