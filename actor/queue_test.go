package actor

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A mailbox's queue against a plain list.
func TestQueueAgainstOracle(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var q queue
		var want []int
		sizes := func(all []message) []int {
			sizes := []int{}
			for i := range all {
				sizes = append(sizes, all[i].size)
			}
			return sizes
		}
		pushed := 0
		for range 400 {
			switch r.IntN(5) {
			case 0, 1:
				for range r.IntN(50) {
					pushed++
					q.push(&message{size: pushed})
					want = append(want, pushed)
				}
			case 2, 3:
				run := q.run()
				require.Equal(t, append([]int{}, want[:len(run)]...), sizes(run), "seed %d", seed)
				require.True(t, len(run) > 0 || len(want) == 0)
				n := 0
				if len(run) > 0 {
					n = r.IntN(len(run) + 1)
				}
				q.drop(n)
				want = want[n:]
			case 4:
				q.rest()
				n := r.IntN(len(want) + 1)
				require.Equal(t, append([]int{}, want[n:]...), sizes(q.after(n)), "seed %d", seed)
			}
			require.Equal(t, len(want), q.count)
		}
	}
}
