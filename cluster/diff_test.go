package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiff(t *testing.T) {
	a1, a2, b1, c1 := member("a", 1), member("a", 2), member("b", 1), member("c", 1)
	moved := b1
	moved.Address = "10.0.0.9:4000"
	for name, c := range map[string]struct {
		old, new []Member
		want     Changes
	}{
		"nothing":         {nil, nil, Changes{}},
		"the same":        {[]Member{a1, b1}, []Member{a1, b1}, Changes{}},
		"first":           {nil, []Member{a1, b1}, Changes{Joined: []Member{a1, b1}}},
		"last":            {[]Member{a1, b1}, nil, Changes{Left: []Member{a1, b1}}},
		"in between":      {[]Member{a1, c1}, []Member{a1, b1, c1}, Changes{Joined: []Member{b1}}},
		"restarted":       {[]Member{a1, b1}, []Member{a2, b1}, Changes{Restarted: []Change{{a1, a2}}}},
		"back to earlier": {[]Member{a2}, []Member{a1}, Changes{Restarted: []Change{{a2, a1}}}},
		"moved":           {[]Member{b1}, []Member{moved}, Changes{Updated: []Change{{b1, moved}}}},
		"all at once":     {[]Member{a1, b1}, []Member{a2, c1}, Changes{Joined: []Member{c1}, Left: []Member{b1}, Restarted: []Change{{a1, a2}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Diff(c.old, c.new)
			require.Equal(t, c.want, got)
			require.Equal(t, len(c.want.Joined)+len(c.want.Left)+len(c.want.Restarted)+len(c.want.Updated) == 0, got.Empty())
		})
	}
}

// slowDiff says what Diff promises, host by host.
func slowDiff(old, new []Member) (c Changes) {
	find := func(ms []Member, host string) *Member {
		for _, m := range ms {
			if m.Host == host {
				return &m
			}
		}
		return nil
	}
	for i := range 10 {
		host := fmt.Sprint("h", i)
		o, n := find(old, host), find(new, host)
		switch {
		case o == nil && n == nil:
		case o == nil:
			c.Joined = append(c.Joined, *n)
		case n == nil:
			c.Left = append(c.Left, *o)
		case o.Incarnation != n.Incarnation:
			c.Restarted = append(c.Restarted, Change{*o, *n})
		case o.Address != n.Address:
			c.Updated = append(c.Updated, Change{*o, *n})
		}
	}
	return c
}

func TestDiffAgainstOracle(t *testing.T) {
	const seed = 7
	rnd := rand.New(rand.NewPCG(seed, seed))
	list := func() (ms []Member) {
		for i := range 10 {
			if rnd.IntN(2) == 0 {
				m := member(fmt.Sprint("h", i), rnd.Uint64N(2))
				m.Address = fmt.Sprintf("10.0.0.%d:1", rnd.IntN(2))
				ms = append(ms, m)
			}
		}
		return ms
	}
	for range 5000 {
		old, new := list(), list()
		require.Equal(t, slowDiff(old, new), Diff(old, new), "seed %d: %v to %v", seed, old, new)

		merged, held := hold(old, new)
		require.Equal(t, len(slowDiff(old, new).Left) > 0, held)
		require.Empty(t, slowDiff(merged, new).Joined)
		require.Empty(t, Diff(old, merged).Left, "nobody known is missing")
	}
}

func ExampleDiff() {
	before := []Member{{Host: "host1", Incarnation: 1}, {Host: "host2", Incarnation: 1}}
	after := []Member{{Host: "host2", Incarnation: 2}, {Host: "host3", Incarnation: 1}}
	c := Diff(before, after)
	fmt.Println("joined:", c.Joined[0].Host)
	fmt.Println("left:", c.Left[0].Host)
	fmt.Println("restarted:", c.Restarted[0].New.Host, "as", c.Restarted[0].New.Incarnation)
	// Output:
	// joined: host3
	// left: host1
	// restarted: host2 as 2
}
