package collective

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever pieces are overwritten, in any order and by several at once, the data is what it was after a restore; and again after the next.
func TestSavings(t *testing.T) {
	const size, chunk = 2*savedBlock + savedBlock/3, savedBlock/8 - 64
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i>>16 + i*13)
	}
	before := slices.Clone(data)
	s := newSavings(data)
	defer s.drop()
	for attempt := range 3 {
		var group sync.WaitGroup
		for half := range 2 {
			r := rand.New(rand.NewPCG(uint64(attempt), uint64(half)))
			group.Go(func() {
				c := chunks{data, chunk, half, 2}
				for range 2 * c.count() { // some twice, some not
					piece := c.piece(r.IntN(c.count()))
					s.keep(piece)
					clear(piece)
				}
			})
		}
		group.Wait()
		require.False(t, slices.Equal(before, data))
		s.restore()
		require.True(t, slices.Equal(before, data), "attempt %d", attempt)
	}
	var none *savings
	none.keep(data)
	none.restore()
}
