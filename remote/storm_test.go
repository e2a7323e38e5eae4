package remote

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Connections that are taken, and lost before they have brought anybody any further, are not made one after the other.
func TestConnectionsThatBringNothingAreNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &frail{every: 10 * time.Millisecond, left: -1}
		p := memoryPair(t, func(a, _ *Config) {
			wire.inner = a.Dial
			a.Dial = wire.dial
		})
		in, pid := newInbox(t, p.b, "x", 4)
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("hello")))
		<-in.user
		time.Sleep(time.Minute)
		require.Greater(t, wire.count(), 20)
		require.Less(t, wire.count(), 120, "every half second at most, where the longest pause is 1 s to 2 s")

		wire.mu.Lock()
		wire.left = 0
		wire.mu.Unlock()
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("again")))
		<-in.user
		time.Sleep(time.Minute)
		before := wire.count()
		l := onlyLink(p.a, "b:1")
		l.lose(l.current(), errSilent)
		synctest.Wait()
		require.Equal(t, before+1, wire.count(), "after one that has lasted, at once")
		require.Empty(t, p.aDowns)
	})
}

// Callers from one address that do not come back take no room from those of others.
func TestLinksThatWaitForTheirCallersAreBoundedForEachAddress(t *testing.T) {
	e := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: newNetwork().dial, MaxConnections: 5, MaxConnectionsPerAddress: 3})
	from := func(network string) *link {
		l := e.newLink(nil)
		l.network = network
		e.adrift(l)
		return l
	}
	first, honest := from("hostile"), from("honest")
	second, third := from("hostile"), from("hostile")
	require.False(t, first.isOver())
	from("hostile")
	require.True(t, first.isOver(), "the one that has waited longest, of that address")
	require.False(t, honest.isOver() || second.isOver() || third.isOver())
	e.ashore(second)
	from("hostile")
	require.False(t, third.isOver())
	other := from("other")
	require.False(t, other.isOver() || honest.isOver())
	from("a sixth")
	require.True(t, honest.isOver(), "of all, the one that has waited longest")
	require.Len(t, e.waiting, 5)
	for len(e.waiting) > 0 {
		e.ashore(e.waiting[0].link)
	}
	require.Empty(t, e.adriftFrom)
}
