package tlaunch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	ab = hostPair{"a", "b"}
	ba = ab.reverse()
	ac = hostPair{"a", "c"}
)

func met(p hostPair, o obstacle) reachResult {
	return reachResult{from: p.from, reachReport: reachReport{Host: p.to, Obstacle: o, Cause: string(o)}}
}

func TestReaching(t *testing.T) {
	mutual := map[hostPair]bool{ab: true, ba: true, ac: true}
	t.Run("one way is enough", func(t *testing.T) {
		r := newReaching([]hostPair{ab, ac}, mutual)
		require.Equal(t, []hostPair{ab, ac}, r.first())
		require.Empty(t, r.take(met(ac, "")))
		require.False(t, r.settled())
		require.Equal(t, []hostPair{ba}, r.take(met(ab, obstacleRefused)), "the other tries")
		require.Empty(t, r.reverseAll(), "it does already")
		require.Empty(t, r.take(met(ba, "")))
		require.True(t, r.settled())
		require.Empty(t, r.failures())
	})
	t.Run("the first failure is kept", func(t *testing.T) {
		r := newReaching([]hostPair{ab}, mutual)
		require.Equal(t, []hostPair{ba}, r.reverseAll())
		require.Empty(t, r.take(met(ba, obstacleRefused)))
		require.False(t, r.settled())
		require.Empty(t, r.take(met(ab, obstacleSilence)))
		require.True(t, r.settled())
		failed := r.failures()
		require.Len(t, failed, 1)
		require.Equal(t, "b cannot reach a at : refused; "+obstacleRefused.remedy("a"), failed[0].Error())
	})
	t.Run("who needs nobody is not asked", func(t *testing.T) {
		r := newReaching([]hostPair{ac}, mutual)
		require.Empty(t, r.reverseAll())
		require.Empty(t, r.take(met(ac, obstacleNoRoute)))
		require.True(t, r.settled())
		require.Len(t, r.failures(), 1)
	})
	t.Run("a host that ends is no failure of a pair", func(t *testing.T) {
		r := newReaching([]hostPair{ab, ac}, mutual)
		require.Len(t, r.take(met(ab, obstacleRefused)), 1)
		require.Empty(t, r.take(reachResult{from: "b", ended: true}))
		require.Empty(t, r.take(met(ac, "")))
		require.True(t, r.settled())
		require.Empty(t, r.failures())
	})
	t.Run("silence of a host", func(t *testing.T) {
		r := newReaching([]hostPair{ab, ac}, mutual)
		require.Empty(t, r.take(met(ac, "")))
		r.giveUp()
		require.True(t, r.settled())
		require.ErrorContains(t, r.failures()[0], "a did not say in time")
	})
	t.Run("what nobody asked for", func(t *testing.T) {
		r := newReaching([]hostPair{ab}, mutual)
		require.Empty(t, r.take(met(hostPair{"x", "y"}, obstacleRefused)))
		require.False(t, r.settled())
		require.Empty(t, r.take(met(ab, "")))
		require.Empty(t, r.take(met(ab, obstacleRefused)), "too late")
		require.Empty(t, r.failures())
	})
}

// Whatever the order of the reports, pairs with a way that works are well, and all others have failed.
func TestReachingInAnyOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		needs, works := map[hostPair]bool{}, map[hostPair]bool{}
		g := &graph{needs: needs}
		for i := range 6 {
			for j := range 6 {
				if i != j && rng.IntN(2) == 0 {
					p := hostPair{fmt.Sprint(i), fmt.Sprint(j)}
					needs[p], works[p] = true, rng.IntN(3) > 0
				}
			}
		}
		pairs := g.pairs([]Host{{Name: "3"}, {Name: "1"}, {Name: "2"}, {Name: "0"}, {Name: "5"}, {Name: "4"}})
		r := newReaching(pairs, needs)
		open := append([]hostPair(nil), r.first()...)
		for len(open) > 0 {
			if rng.IntN(5) == 0 {
				open = append(open, r.reverseAll()...)
			}
			i := rng.IntN(len(open))
			p := open[i]
			open = append(open[:i], open[i+1:]...)
			o := obstacleSilence
			if works[p] {
				o = obstacleNone
			}
			open = append(open, r.take(met(p, o))...)
		}
		require.True(t, r.settled())
		failed := map[hostPair]bool{}
		for _, e := range r.failures() {
			failed[hostPair{e.From, e.To}] = true
		}
		for _, p := range pairs {
			well := works[p] || needs[p.reverse()] && works[p.reverse()]
			require.Equal(t, !well, failed[p] || failed[p.reverse()], "%v", p)
		}
	}
}

func TestPairsOfAProgram(t *testing.T) {
	g := &graph{needs: map[hostPair]bool{{"b", "a"}: true, {"a", "b"}: true, {"c", "a"}: true}}
	pairs := g.pairs([]Host{{Name: "c"}, {Name: "b"}, {Name: "a"}})
	require.Equal(t, []hostPair{{"c", "a"}, {"b", "a"}}, pairs)
	require.Equal(t, map[string]int{"a": 2, "b": 1, "c": 1}, peersOf(pairs))
}

func TestFailuresOfOneHostAreOneLine(t *testing.T) {
	fail := func(from, to string, o obstacle) *PairError {
		return &PairError{From: from, To: to, Address: to + ":1", Cause: string(o), Remedy: o.remedy(to), obstacle: o}
	}
	require.Equal(t, []string{
		"a, b, c cannot reach d at d:1: silence; " + obstacleSilence.remedy("d"),
		"e cannot reach a at a:1, b at b:1: refused; " + obstacleRefused.remedy("each"),
		"b cannot reach a at a:1: no route; " + obstacleNoRoute.remedy("a"),
	}, summarise([]*PairError{
		fail("b", "a", obstacleNoRoute), fail("e", "a", obstacleRefused), fail("a", "d", obstacleSilence),
		fail("b", "d", obstacleSilence), fail("e", "b", obstacleRefused), fail("c", "d", obstacleSilence),
	}))
	var many []*PairError
	for i := range 20 {
		many = append(many, fail(fmt.Sprint("h", i), "z", obstacleSilence))
	}
	all := (&PairsError{Needed: 30, Failed: many}).Error()
	require.True(t, strings.HasPrefix(all, "20 of 30 pairs of hosts that the program's refs need cannot reach each other:\n  h0, h1, "), all)
	require.Contains(t, all, "h7 and 12 more cannot reach z")
	require.Equal(t, 1, strings.Count(all, "\n"))
}
