package collective

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tree without some members, and with others as leaves, is still one: of all that are left, parents first, and nobody has leaves above.
func TestPrunedTrees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := 1 + r.IntN(12)
		tr := grow(r.Perm(n), func(i int) int { return r.IntN(i) })
		var gone, leaves []int
		for rank := range n {
			switch r.IntN(4) {
			case 0:
				gone = append(gone, rank)
			case 1:
				leaves = append(leaves, rank)
			}
		}
		if len(gone) == n {
			gone = gone[1:]
		}
		leaves = slices.DeleteFunc(leaves, func(rank int) bool { return slices.Contains(gone, rank) })
		got := tr.prune(gone).demote(leaves)
		require.Len(t, got.order, n-len(gone))
		root := got.order[0]
		for i, rank := range got.order {
			require.NotContains(t, gone, rank)
			if up := got.parent[rank]; i == 0 {
				require.Equal(t, -1, up)
			} else {
				require.Less(t, slices.Index(got.order, up), i)
				require.Contains(t, got.children[up], rank)
				require.True(t, up == root || !slices.Contains(leaves, up))
			}
		}
		require.ElementsMatch(t, got.order, got.below(root))
		if !slices.Contains(gone, tr.order[0]) {
			require.Equal(t, tr.order[0], root)
		}
	}
}

// Of messages that were lost with a link nobody gives window back: it is found by what the other says it has got.
func TestWindowOfLostMessages(t *testing.T) {
	e := &edge{out: 1000, sent: 10}
	suspected := uint64(0)
	e.recover(10, &Status{Got: 10, Held: 300}, &suspected)
	require.Equal(t, 1000, e.out, "nothing is lost: what was given back may be on its way")
	e.recover(10, &Status{Got: 7, Held: 300}, &suspected)
	require.Equal(t, 1000, e.out, "the first time another method may have passed them")
	e.recover(10, &Status{Got: 8, Held: 400}, &suspected)
	require.Equal(t, 1000, e.out, "as it has")
	e.recover(10, &Status{Got: 8, Held: 400}, &suspected)
	require.Equal(t, 400, e.out)
	e.sent, e.out = 11, 500
	e.recover(11, &Status{Got: 9, Held: 500}, &suspected)
	e.recover(11, &Status{Got: 9, Held: 500}, &suspected)
	require.Equal(t, 500, e.out, "all but those that were lost have come")
	require.Zero(t, suspected)
}

func TestDecide(t *testing.T) {
	all := (&task{sig: signature{op: opAllReduce}, root: -1}).enough
	atRoot := (&task{sig: signature{op: opReduce}, root: 1}).enough
	have := report{Have: true}
	for _, c := range []struct {
		enough  func(map[int]report) bool
		reports map[int]report
		dead    []int
		want    report
	}{
		{all, map[int]report{0: have, 1: have}, nil, have},
		{all, map[int]report{0: have, 1: have}, []int{2}, have}, // all who live have the result
		{all, map[int]report{0: have, 1: {Missing: []int{3}}, 4: {Missing: []int{3, 5}}}, []int{2}, report{Missing: []int{2, 3, 5}}},
		{atRoot, map[int]report{0: {Missing: []int{3}}, 1: have}, []int{3}, have},
		{atRoot, map[int]report{0: have, 2: have}, []int{1}, report{Missing: []int{1}}},
	} {
		require.Equal(t, c.want, decide(c.enough, c.reports, c.dead))
	}
}
