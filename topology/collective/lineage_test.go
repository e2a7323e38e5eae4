package collective

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology"
)

// Whoever reads by the rule, from whomever, gets to the root, and in no order of coming and going from itself.
func TestLineage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, kind := range []topology.Kind{topology.Star(), topology.Tree(2), topology.Chain(), topology.Net()} {
		for n := 1; n <= 9; n++ {
			var members []topology.Member
			for i := range n {
				members = append(members, topology.Member{Name: fmt.Sprint(i), Host: []string{"", "a", "b", "c"}[r.IntN(4)]})
			}
			shape, err := topology.New(kind, members)
			require.NoError(t, err)
			p := &plan{shape: shape, trees: map[treeKey][]tree{}}
			root := r.IntN(n)
			trees, err := p.treesFor(AlongShape, root)
			require.NoError(t, err)
			l := newLineage(&trees[0], members)
			require.Empty(t, l.candidates(root))
			for x := range n {
				require.False(t, l.before(x, x))
				if x != root {
					require.True(t, l.before(root, x))
					require.Contains(t, append(l.candidates(x), l.of[l.host[x]]...), root)
				}
				for _, y := range l.candidates(x) {
					require.True(t, l.before(y, x))
				}
				for y := range n {
					require.False(t, l.before(x, y) && l.before(y, x))
					for z := range n {
						require.False(t, l.before(x, y) && l.before(y, z) && !l.before(x, z), "%v %v %v", x, y, z)
					}
				}
			}
			settle(t, r, l, root, n)
		}
	}
}

// settle lets members come in any order, be sent on, and move: in the end one of each host reads from another host.
func settle(t *testing.T, r *rand.Rand, l *lineage, root, n int) {
	from := map[int]int{}
	var come func(x, a int)
	come = func(x, a int) {
		var readers []int
		for reader, at := range from {
			if at == a && reader != x {
				readers = append(readers, reader)
			}
		}
		slices.Sort(readers)
		next, moved := l.instead(a, x, readers, nil)
		if next >= 0 {
			come(x, next)
			return
		}
		from[x] = a
		for _, y := range moved {
			come(y, x)
		}
	}
	for _, x := range r.Perm(n) {
		if x == root {
			continue
		}
		for _, a := range l.candidates(x) {
			if _, here := from[a]; here || a == root {
				come(x, a)
				break
			}
		}
	}
	require.Len(t, from, n-1)
	entered := map[int]int{}
	for x, a := range from {
		require.True(t, l.before(a, x))
		if !l.sameHost(a, x) {
			entered[l.host[x]]++
		}
	}
	for host, times := range entered {
		require.Equal(t, 1, times, "host %d: %v", host, from)
	}
}
