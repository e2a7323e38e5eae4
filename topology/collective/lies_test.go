package collective

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
)

// planOf is what members of a group know of it, without nodes.
func planOf(t *testing.T, kind topology.Kind, names ...string) *plan {
	var members []topology.Member
	for _, name := range names {
		members = append(members, topology.Member{Name: name})
	}
	shape, err := topology.New(kind, members)
	require.NoError(t, err)
	return &plan{shape: shape, trees: map[treeKey][]tree{}}
}

// What other members say is refused where it cannot be.
func TestLies(t *testing.T) {
	p := planOf(t, topology.Chain(), "a", "b", "c")
	for name, a := range map[string]Answer{
		"a rank":          {Silent: []Silent{{Rank: 3}}},
		"a negative rank": {Silent: []Silent{{Rank: -1}}},
		"a count":         {Count: 3},
		"values":          {Count: 1, Value: [][]byte{{1}, {2}}},
		"all are silent":  {Silent: make([]Silent, 3)},
	} {
		require.False(t, p.sensible(a), name)
	}
	require.True(t, p.sensible(Answer{Count: 2, Value: [][]byte{{1}}}))
	require.True(t, p.sensible(Answer{Silent: []Silent{{Rank: 2}, {Rank: 1}}}))

	for name, r := range map[string]report{"a rank": {Missing: []int{1, 3}}, "a negative rank": {Missing: []int{-1}}} {
		data, err := actor.Encode(r)
		require.NoError(t, err)
		_, err = p.readReport(data)
		require.ErrorIs(t, err, errMessage, name)
	}
	data, err := actor.Encode(report{Missing: []int{0, 2}})
	require.NoError(t, err)
	r, err := p.readReport(data)
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, r.Missing)

	m := &Member{plan: p, rank: 1}
	for name, a := range map[string]Attach{
		"a root":      {Root: 3, From: 2, Session: 1},
		"itself":      {From: 1, Session: 1},
		"no session":  {From: 2},
		"many":        {From: 2, Session: 1, Avoid: make([]int, 4)},
		"the highest": {From: 2, Session: 1, Seen: math.MaxUint64},
	} {
		_, err := m.CollectiveAttach(t.Context(), a)
		require.ErrorIs(t, err, errMessage, name)
	}
	up := &publication{m: m}
	require.ErrorIs(t, up.fromAboveLocked(letter{kind: letterMove, index: 3}, nil), errMessage)
	require.NoError(t, up.fromAboveLocked(letter{kind: letterMove, index: 2}, nil))
}
