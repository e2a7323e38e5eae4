package tlaunch

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPause(t *testing.T) {
	for _, c := range []struct {
		r      Restarts
		n      int
		random float64
		want   time.Duration
	}{
		{Restarts{}, 1, 0, 50 * time.Millisecond},
		{Restarts{}, 1, 0.5, 75 * time.Millisecond},
		{Restarts{}, 2, 0, 100 * time.Millisecond},
		{Restarts{}, 6, 0, 1600 * time.Millisecond},
		{Restarts{}, 7, 0, 2500 * time.Millisecond},
		{Restarts{}, 1000, 0, 2500 * time.Millisecond},
		{Restarts{Backoff: -1}, 1000, 0.99, 0},
		{Restarts{Backoff: time.Minute}, 3, 0, 30 * time.Second},
		{Restarts{Backoff: time.Second, MaxBackoff: 3 * time.Second}, 2, 0, time.Second},
		{Restarts{Backoff: time.Second, MaxBackoff: 3 * time.Second}, 3, 0, 1500 * time.Millisecond},
	} {
		require.Equal(t, c.want, c.r.withDefaults().pause(c.n, c.random), "%+v", c)
	}
}

// nodesOf are nodes of some labels, all with one policy each.
func nodesOf(sizes map[string]int, policies map[string]policy) (all []*node) {
	for label, size := range sizes {
		for i := range size {
			all = append(all, &node{key: fmt.Sprintf("%s/%d", label, i), label: label, policy: policies[label]})
		}
	}
	return all
}

func TestFailuresAndTheirRemedies(t *testing.T) {
	thrice := Restart(Restarts{Max: 2, Within: 10 * time.Second, Backoff: time.Second, MaxBackoff: time.Minute})
	type step struct {
		node string
		at   time.Duration
		want remedy
	}
	for name, c := range map[string]struct {
		policies []Policy
		steps    []step
	}{
		"by default the run stops": {nil, []step{{"w/0", 0, remedy{}}}},
		"restarts, until they are spent": {[]Policy{thrice}, []step{
			{"w/0", 0, remedy{action: actRestart, pause: 500 * time.Millisecond, count: 1}},
			{"w/1", 0, remedy{action: actRestart, pause: 500 * time.Millisecond, count: 1}},
			{"w/0", 2 * time.Second, remedy{action: actRestart, pause: time.Second, count: 2}},
			{"w/0", 4 * time.Second, remedy{spent: true, count: 2}},
		}},
		"what is long ago does not count": {[]Policy{thrice}, []step{
			{"w/0", 0, remedy{action: actRestart, pause: 500 * time.Millisecond, count: 1}},
			{"w/0", 9 * time.Second, remedy{action: actRestart, pause: time.Second, count: 2}},
			{"w/0", 10 * time.Second, remedy{action: actRestart, pause: time.Second, count: 2}},
			{"w/0", 18 * time.Second, remedy{spent: true, count: 2}},
		}},
		"the group goes on while enough are left": {[]Policy{KeepAtLeast(2)}, []step{
			{"w/0", 0, remedy{action: actGoOn, left: 2}},
			{"w/2", 0, remedy{left: 1}},
		}},
		"none need be left": {[]Policy{KeepAtLeast(0)}, []step{
			{"w/0", 0, remedy{action: actGoOn, left: 2}},
			{"w/1", 0, remedy{action: actGoOn, left: 1}},
			{"w/2", 0, remedy{action: actGoOn, left: 0}},
		}},
		"restarts first, then the group": {[]Policy{KeepAtLeast(2), Restart(Restarts{Max: 1, Backoff: -1})}, []step{
			{"w/0", 0, remedy{action: actRestart, count: 1}},
			{"w/0", time.Second, remedy{action: actGoOn, spent: true, count: 1, left: 2}},
			{"w/1", time.Second, remedy{action: actRestart, count: 1}},
			{"w/1", 2 * time.Second, remedy{spent: true, count: 1, left: 1}},
		}},
		"the last word counts": {[]Policy{thrice, KeepAtLeast(0), StopRun()}, []step{{"w/0", 0, remedy{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTroubles(nodesOf(map[string]int{"w": 3, "other": 9}, map[string]policy{"w": newPolicy(c.policies)}))
			for _, s := range c.steps {
				require.Equal(t, s.want, tr.failed(s.node, s.at, 0), "%+v", s)
			}
		})
	}
}

// Whatever happens when: no period holds more restarts than were allowed, pauses stay within their bounds, and no group
// goes on with fewer nodes than it needs.
func TestRemediesKeepTheirBounds(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		r := Restarts{Max: 1 + random.IntN(4), Within: time.Duration(1+random.IntN(20)) * time.Second, Backoff: time.Duration(1+random.IntN(1000)) * time.Millisecond}
		least, size := random.IntN(4), 4
		policies := []Policy{Restart(r)}
		if random.IntN(2) == 0 {
			policies = append(policies, KeepAtLeast(least))
		}
		p := newPolicy(policies)
		tr := newTroubles(nodesOf(map[string]int{"w": size}, map[string]policy{"w": p}))
		started := map[string][]time.Duration{}
		var at time.Duration
		for {
			at += time.Duration(random.IntN(3000)) * time.Millisecond
			key := fmt.Sprintf("w/%d", random.IntN(size))
			if tr.lost[key] {
				continue
			}
			was := tr.failed(key, at, random.Float64())
			if was.action == actRestart {
				recent := 1
				for _, s := range started[key] {
					if at-s < r.Within {
						recent++
					}
				}
				require.LessOrEqual(t, recent, r.Max)
				require.Equal(t, recent, was.count)
				require.GreaterOrEqual(t, was.pause, min(r.Backoff, p.restarts.MaxBackoff)/2)
				require.LessOrEqual(t, was.pause, p.restarts.MaxBackoff)
				started[key] = append(started[key], at)
			}
			if was.action == actGoOn {
				require.True(t, p.keep)
				require.GreaterOrEqual(t, size-len(tr.lost), least)
			}
			if was.action == actStop || at > time.Hour || len(tr.lost) == size {
				break
			}
		}
	}
}

func TestPoliciesInTheGraph(t *testing.T) {
	g, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) {
		p.OnFailure("hub", KeepAtLeast(1))
		Add(p, "hub", &hub{}, OnFailure(Restart(Restarts{Max: -1, Backoff: -1})), On("host1"))
		Add(p, "hub", &hub{}, On("host2"))
		Add(p, "store", &store{}, OnFailure(Restart(Restarts{}), KeepAtLeast(1)), On("host1"))
		Add(p, "plain", &store{}, On("host3"))
	})
	require.NoError(t, err)
	require.Equal(t, "concurrent 1, mailbox 0, restart without limit within 1m0s, 0s to 5s apart", g.summary[0].Options)
	require.Equal(t, "concurrent 1, mailbox 0, keep at least 1", g.summary[1].Options)
	require.Equal(t, "concurrent 1, mailbox 0, restart 5 times within 1m0s, 100ms to 5s apart, keep at least 1", g.summary[2].Options)
	require.Equal(t, "concurrent 1, mailbox 0", g.summary[3].Options)
	require.True(t, g.returns("host1"))
	require.False(t, g.returns("host2"), "its node may be lost, but is not started again")
	require.False(t, g.returns("host3"))

	for name, c := range map[string]struct {
		build func(p *Program)
		want  string
	}{
		"negative":      {func(p *Program) { Add(p, "hub", &hub{}, OnFailure(Restart(Restarts{Within: -1}))) }, "node hub/0: Restarts.Within and MaxBackoff must not be negative"},
		"crossed":       {func(p *Program) { Add(p, "hub", &hub{}, OnFailure(Restart(Restarts{Backoff: 2, MaxBackoff: 1}))) }, "MaxBackoff (1ns) is less than Backoff (2ns)"},
		"below zero":    {func(p *Program) { Add(p, "hub", &hub{}, OnFailure(KeepAtLeast(-1))) }, "KeepAtLeast(-1): it cannot be less than zero"},
		"more than all": {func(p *Program) { Add(p, "hub", &hub{}, OnFailure(KeepAtLeast(2))) }, "node hub/0: KeepAtLeast(2), and the label hub has 1"},
		"nobody":        {func(p *Program) { Add(p, "hub", &hub{}); p.OnFailure("huh", KeepAtLeast(0)) }, `OnFailure: there is no node with the label "huh"`},
		"of two minds": {func(p *Program) {
			Add(p, "hub", &hub{}, OnFailure(KeepAtLeast(1)))
			Add(p, "hub", &hub{}, OnFailure(KeepAtLeast(2)))
		}, "nodes hub/0 and hub/1: KeepAtLeast(1) and KeepAtLeast(2) contradict each other"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := graphOf(t, hostsOf(t, threeHosts...), c.build)
			require.ErrorContains(t, err, c.want)
		})
	}
}
