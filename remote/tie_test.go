package remote

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// A stream ends with the last link to its process, whichever links come and go.
func TestTieHoldsAsLongAsALink(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	p := e.peer("b:1")
	linkWith := func(system string, incarnation uint64) *link {
		l := &link{own: true, system: system, incarnation: incarnation}
		l.ctx, l.cancel = context.WithCancel(t.Context())
		t.Cleanup(l.cancel)
		return l
	}
	first, second, stock := linkWith("s", 1), linkWith("s", 1), linkWith("s", 1)
	stock.own = false
	ended := 0
	tied := &tie{system: "s", incarnation: 1, end: func(error) { ended++ }}
	orphans := func(links ...*link) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.links = links
		for _, end := range p.orphansLocked() {
			end(nil)
		}
		return ended
	}
	require.ErrorIs(t, p.tie(tied), ErrUnreachable, "there is no link")
	require.Zero(t, orphans(stock, linkWith("s", 2), linkWith("other", 1)))
	require.ErrorIs(t, p.tie(tied), ErrUnreachable, "none with this process")
	require.Zero(t, orphans(first, second))
	require.NoError(t, p.tie(tied))
	require.Zero(t, orphans(second))
	require.Zero(t, orphans(linkWith("s", 2), second), "a later process is there, and the link of this one has not ended")
	require.True(t, p.retie(tied, func(error) { ended += 10 }))
	require.Equal(t, 10, orphans(linkWith("s", 2), stock))
	require.False(t, p.retie(tied, func(error) {}), "it has ended")
	p.untie(tied)

	require.Equal(t, 10, orphans(first))
	require.NoError(t, p.tie(tied))
	first.cancel()
	require.Equal(t, 20, orphans(first), "a link that is over holds nothing")

	third := linkWith("s", 1)
	require.Equal(t, 20, orphans(third))
	var last *tie
	for range maxTies {
		last = &tie{system: "s", incarnation: 1, accepted: true, end: func(error) {}}
		require.NoError(t, p.tie(last))
	}
	more := &tie{system: "s", incarnation: 1, accepted: true}
	require.ErrorIs(t, p.tie(more), actor.ErrOverloaded)
	require.NoError(t, p.tie(&tie{system: "s", incarnation: 1, end: func(error) {}}), "those that are opened from here are the peer's to count")
	p.untie(last)
	p.untie(last)
	require.NoError(t, p.tie(more))
	require.ErrorIs(t, p.tie(last), ErrTooManyStreams)
}
