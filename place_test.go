package tlaunch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// slowPlace tries every host: the one whose share would be smallest with one node more, the first of those.
func slowPlace(hosts []Host, load map[string]int, group string) string {
	best, share := "", 0.0
	for _, h := range hosts {
		member := group == "all"
		for _, g := range h.Groups {
			member = member || g == group
		}
		with := float64(load[h.Name]+1) / float64(h.Slots)
		if member && (best == "" || with < share-1e-9) {
			best, share = h.Name, with
		}
	}
	return best
}

func TestPlacementAgainstAnOracle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var hosts []Host
		for i := range 1 + r.IntN(8) {
			h := Host{Name: fmt.Sprint("h", i), Slots: 1 + r.IntN(5)}
			for _, g := range []string{"a", "b"} {
				if r.IntN(2) == 0 {
					h.Groups = append(h.Groups, g)
				}
			}
			hosts = append(hosts, h)
		}
		load := map[string]int{}
		for range 40 {
			group := []string{"all", "a", "b"}[r.IntN(3)]
			want := slowPlace(hosts, load, group)
			got, err := place(hosts, load, "@"+group)
			require.Equal(t, want, got)
			require.Equal(t, want == "", err != nil)
			load[got]++
		}
	}
}

func TestPlacement(t *testing.T) {
	hosts := []Host{{Name: "a", Slots: 1}, {Name: "b", Slots: 3}, {Name: "c", Slots: 1, Groups: []string{"gpu"}}}
	load := map[string]int{}
	var order string
	for range 10 {
		at, err := place(hosts, load, "@all")
		require.NoError(t, err)
		load[at]++
		order += at
	}
	require.Equal(t, "bbabcbbabc", order, "by slots, ties in the order of the inventory")
	at, err := place(hosts, load, "c")
	require.NoError(t, err)
	require.Equal(t, "c", at, "a host by its name, whatever its load")
	at, err = place(hosts, load, "@gpu")
	require.NoError(t, err)
	require.Equal(t, "c", at)
	_, err = place(nil, nil, "@all")
	require.Error(t, err)
	many := make([]Host, 20)
	for i := range many {
		many[i].Name = fmt.Sprint("n", i)
	}
	_, err = place(many, nil, "x")
	require.EqualError(t, err, `there is no host "x"; the inventory has n0, n1, n2, n3, n4, n5, n6, n7, … (20 in all)`)
}

func TestDifferences(t *testing.T) {
	base := func() []summary {
		return []summary{
			{Key: "a/0", Name: "a", Host: "host1", Type: "*main.A", Options: "concurrent 1"},
			{Key: "b/0", Name: "b", Host: "host2", Type: "*main.B", Refs: []string{".a → a/0"}},
		}
	}
	require.NoError(t, differs(base(), base(), "here", "there"))
	for name, c := range map[string]struct {
		change func(s []summary) []summary
		node   string
		what   string
	}{
		"fewer":   {func(s []summary) []summary { return s[:1] }, "b/0", "here has it, there does not"},
		"none":    {func(s []summary) []summary { return nil }, "a/0", "here has it, there does not"},
		"more":    {func(s []summary) []summary { return append(s, summary{Key: "c/0"}) }, "c/0", "there has it, here does not"},
		"another": {func(s []summary) []summary { s[0].Key = "c/0"; return s }, "a/0", `its name is "a/0" at here and "c/0" at there`},
		"name":    {func(s []summary) []summary { s[1].Name = "B"; return s }, "b/0", `its display name is "b" at here and "B" at there`},
		"host":    {func(s []summary) []summary { s[1].Host = "host1"; return s }, "b/0", `its host is "host2" at here and "host1" at there`},
		"type":    {func(s []summary) []summary { s[0].Type = "*main.C"; return s }, "a/0", `its type is "*main.A" at here and "*main.C" at there`},
		"options": {func(s []summary) []summary { s[0].Options = "concurrent 2"; return s }, "a/0", `its options is "concurrent 1" at here and "concurrent 2" at there`},
		"refs":    {func(s []summary) []summary { s[1].Refs = nil; return s }, "b/0", `its refs is ".a → a/0" at here and "" at there`},
		"value":   {func(s []summary) []summary { s[0].Digest[3]++; return s }, "a/0", "its initial value (*main.A) at here is not that at there"},
		"the first": {func(s []summary) []summary {
			s[0].Digest[0]++
			s[1].Host = "host1"
			return s
		}, "a/0", "its initial value (*main.A) at here is not that at there"},
	} {
		t.Run(name, func(t *testing.T) {
			err := differs(base(), c.change(base()), "here", "there")
			require.Equal(t, &DifferenceError{c.node, c.what}, err)
			require.ErrorContains(t, err, "node "+c.node+": "+c.what)
		})
	}
}
