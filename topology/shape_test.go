package topology_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/topology"
)

// kinds are all that this package has, with what a dumb oracle says of them: who is above the member in a place of the order in which
// they are linked, and which pairs of places are linked.
var kinds = []struct {
	kind   topology.Kind
	above  func(place int) int
	linked func(i, j, n int) bool // i < j
}{
	{topology.Star(), func(int) int { return 0 }, func(i, _, _ int) bool { return i == 0 }},
	{topology.Tree(1), func(i int) int { return i - 1 }, func(i, j, _ int) bool { return j == i+1 }},
	{topology.Tree(2), func(i int) int { return (i - 1) / 2 }, func(i, j, _ int) bool { return j == 2*i+1 || j == 2*i+2 }},
	{topology.Tree(3), func(i int) int { return (i - 1) / 3 }, func(i, j, _ int) bool { return j > 3*i && j <= 3*i+3 }},
	{topology.Chain(), func(i int) int { return i - 1 }, func(i, j, _ int) bool { return j == i+1 }},
	{topology.Ring(), func(i int) int { return i - 1 }, func(i, j, n int) bool { return j == i+1 || i == 0 && j == n-1 }},
	{topology.Net(), func(int) int { return 0 }, func(int, int, int) bool { return true }},
}

func TestShapes(t *testing.T) {
	for n := 1; n <= 9; n++ {
		for hosts := 0; hosts <= n; hosts++ { // 0: members that say none
			members := make([]topology.Member, n)
			for i := range members {
				members[i].Name = fmt.Sprint("m", i)
				if hosts > 0 {
					members[i].Host = fmt.Sprint("h", i%hosts)
				}
			}
			for _, k := range kinds {
				for root := range n {
					check(t, k.kind, members, root)
				}
			}
		}
	}
}

// check holds a shape against the oracle.
func check(t *testing.T, kind topology.Kind, members []topology.Member, root int) {
	t.Helper()
	made, err := topology.New(kind, members)
	require.NoError(t, err)
	s, err := made.Rooted(members[root].Name)
	require.NoError(t, err)
	require.Equal(t, root, s.Root())
	require.Equal(t, members, s.Members())

	// The order: the root's host first, then the others as they come, from there on and around.
	alike := func(a, b int) bool { return a == b || members[a].Host != "" && members[a].Host == members[b].Host }
	var tour, first []int // first: of each host
	for _, from := range []func(rank int) bool{func(r int) bool { return alike(r, root) }, func(int) bool { return true }} {
		start := root
		for i := range members { // hosts go around beginning with the first member of the root's
			if alike(i, root) {
				start = i
				break
			}
		}
		for i := range members {
			r := (start + i) % len(members)
			if slices.Contains(tour, r) || !from(r) || slices.ContainsFunc(members[:r], func(m topology.Member) bool { return m.Host != "" && m.Host == members[r].Host }) {
				continue
			}
			var host []int
			for j := range members {
				if alike(j, r) {
					host = append(host, j)
				}
			}
			if at := slices.Index(host, root); at > 0 {
				host = slices.Concat(host[at:], host[:at])
			}
			first = append(first, host[0])
			tour = append(tour, host...)
		}
	}
	require.Equal(t, tour, s.Tour())

	k := kinds[slices.IndexFunc(kinds, func(k struct {
		kind   topology.Kind
		above  func(int) int
		linked func(i, j, n int) bool
	}) bool {
		return k.kind.String() == kind.String()
	})]
	order := first
	if kind.String() == "chain" || kind.String() == "ring" {
		order = tour
	}
	above := func(rank int) int {
		if i := slices.Index(order, rank); i >= 0 {
			if i == 0 {
				return -1
			}
			return order[k.above(i)]
		}
		return order[slices.IndexFunc(order, func(o int) bool { return alike(o, rank) })]
	}
	linked := func(a, b int) bool {
		i, j := slices.Index(order, a), slices.Index(order, b)
		if i >= 0 && j >= 0 {
			return k.linked(min(i, j), max(i, j), len(order))
		}
		return alike(a, b) && (i >= 0 || j >= 0)
	}
	entered := map[string]int{}
	for r := range members {
		parent, ok := s.Parent(r)
		require.Equal(t, above(r), parent)
		require.Equal(t, r != root, ok)
		depth := 0
		for up := r; above(up) >= 0; up = above(up) {
			depth++
		}
		require.Equal(t, depth, s.Depth(r))
		require.GreaterOrEqual(t, s.Height(), depth)
		var peers, children []int
		for o := range members {
			if o != r && linked(o, r) {
				peers = append(peers, o)
			}
			if above(o) == r {
				children = append(children, o)
			}
		}
		require.Equal(t, peers, s.Peers(r))
		require.ElementsMatch(t, children, s.Children(r))
		rank, ok := s.Rank(members[r].Name)
		require.True(t, ok)
		require.Equal(t, r, rank)
		if ok = parent >= 0; ok && !alike(parent, r) {
			entered[members[r].Host]++
		}
	}
	for host, times := range entered {
		require.True(t, host == "" || times == 1, "data crosses the link to %s %d times", host, times)
	}
	all := s.Below(root)
	slices.Sort(all)
	require.Len(t, slices.Compact(all), len(members))
	require.NotEmpty(t, s.String())
	require.NotEmpty(t, s.DOT())
}

func TestWithout(t *testing.T) {
	members := []topology.Member{{"a", "h1"}, {"b", "h1"}, {"c", "h2"}, {"d", "h3"}, {"e", "h2"}}
	for _, k := range kinds {
		s, err := topology.New(k.kind, members)
		require.NoError(t, err)
		left, err := s.Without("c", "a")
		require.NoError(t, err)
		require.Equal(t, []topology.Member{members[1], members[3], members[4]}, left.Members())
		require.Equal(t, "b", left.Member(left.Root()).Name, "the root was on that host")
		want, err := topology.New(k.kind, left.Members())
		require.NoError(t, err)
		require.Equal(t, want.Edges(), left.Edges())

		last, err := s.Without("a", "b", "d", "e")
		require.NoError(t, err)
		require.Equal(t, []int{0}, last.Tour())
		_, err = last.Without("c")
		require.ErrorIs(t, err, topology.ErrEmpty)
		_, err = s.Without("x")
		require.ErrorIs(t, err, topology.ErrNoMember)
	}
}

// Whoever of a ring is the root, the links are the same.
func TestRingIsTheSameFromEachHost(t *testing.T) {
	members := []topology.Member{{"a", "h1"}, {"b", "h2"}, {"c", "h3"}, {"d", "h2"}, {"e", "h4"}}
	s, err := topology.New(topology.Ring(), members)
	require.NoError(t, err)
	for _, root := range []string{"c", "e", "b"} {
		other, err := s.Rooted(root)
		require.NoError(t, err)
		require.ElementsMatch(t, s.Edges(), other.Edges())
	}
}

func TestOwn(t *testing.T) {
	members := []topology.Member{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}
	diamond := topology.Own("diamond", func(m []topology.Member) []topology.Edge {
		require.Equal(t, members, m)
		return []topology.Edge{{0, 1}, {0, 2}, {1, 3}, {2, 3}}
	})
	s, err := topology.New(diamond, members)
	require.NoError(t, err)
	parent, _ := s.Parent(3)
	require.Equal(t, 1, parent)
	require.Equal(t, []int{1, 2}, s.Peers(3))
	require.Equal(t, 2, s.Height())
	_, err = s.Rooted("b")
	require.ErrorIs(t, err, topology.ErrApart)
	require.ErrorContains(t, err, "from b no links of diamond lead to a, c")
}

func TestMistakes(t *testing.T) {
	two := []topology.Member{{Name: "a"}, {Name: "b"}}
	for name, c := range map[string]struct {
		kind    topology.Kind
		members []topology.Member
		want    error
		text    string
	}{
		"nobody":         {topology.Star(), nil, topology.ErrEmpty, "star of nobody"},
		"twice":          {topology.Net(), []topology.Member{{"a", "h1"}, {"b", "h1"}, {"a", "h2"}}, topology.ErrTwice, "a in places 0 and 2"},
		"no name":        {topology.Net(), []topology.Member{{"a", "h1"}, {"", "h1"}}, topology.ErrNoMember, "place 1"},
		"no kind":        {topology.Kind{}, two, topology.ErrKind, "Star"},
		"no fanout":      {topology.Tree(0), two, topology.ErrKind, "at least 1"},
		"no function":    {topology.Own("mine", nil), two, topology.ErrKind, "mine"},
		"a far link":     {topology.Own("mine", func([]topology.Member) []topology.Edge { return []topology.Edge{{0, 2}} }), two, topology.ErrNoMember, "links 0 to 2; there are 2"},
		"a link to self": {topology.Own("mine", func([]topology.Member) []topology.Edge { return []topology.Edge{{1, 1}} }), two, topology.ErrNoMember, "links 1 to 1"},
		"no link":        {topology.Own("mine", func([]topology.Member) []topology.Edge { return nil }), two, topology.ErrApart, "from a no links of mine lead to b"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := topology.New(c.kind, c.members)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
		})
	}
	s, err := topology.New(topology.Star(), two)
	require.NoError(t, err)
	_, err = s.Rooted("c")
	require.ErrorIs(t, err, topology.ErrNoMember)
	require.ErrorContains(t, err, `"c"`)
}

func FuzzShapes(f *testing.F) {
	f.Add(uint64(1), 7, 3)
	f.Add(uint64(9), 33, 33)
	f.Add(uint64(4), 12, 1)
	f.Fuzz(func(t *testing.T, seed uint64, n, hosts int) {
		if n < 1 || n > 60 || hosts < 1 || hosts > 60 {
			t.Skip("as many as that say nothing new")
		}
		r := rand.New(rand.NewPCG(seed, 0))
		members := make([]topology.Member, n)
		for i := range members {
			members[i].Name = fmt.Sprint("m", i)
			if host := r.IntN(hosts + 1); host > 0 {
				members[i].Host = fmt.Sprint("h", host)
			}
		}
		check(t, kinds[r.IntN(len(kinds))].kind, members, r.IntN(n))
	})
}
