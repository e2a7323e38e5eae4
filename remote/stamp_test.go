package remote

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// stampOf is the stamp of a parcel without head.
func stampOf(it *item) *stamp {
	return &stamp{to: it.to, label: it.typeName, size: it.size - len(it.data), plain: true}
}

// What does not go by itself is left to put: it would pass what waits before it, or has no room.
func TestAStampedParcelPassesNobody(t *testing.T) {
	small := item{parcel: true, to: "x", typeName: "y", data: make([]byte, 100), size: 110}
	large := item{parcel: true, to: "x", typeName: "y", data: make([]byte, 2*wholeBytes), size: 2*wholeBytes + 10}
	for name, c := range map[string]struct {
		size  int
		spoil func(*outbox)
	}{
		"too large to be copied": {copiedBytes + 1, func(*outbox) {}},
		"too large for the peer": {100, func(o *outbox) { o.most = 99 }},
		"behind a large one":     {100, func(o *outbox) { require.NoError(t, o.put(t.Context(), &large)) }},
		"without room": {100, func(o *outbox) {
			o.limit = 300
			require.NoError(t, o.put(t.Context(), &small))
		}},
		"behind others that wait": {100, func(o *outbox) { o.lines[shortLine] = []*waiter{{it: small}} }},
		"too late":                {100, func(o *outbox) { o.drain(ErrClosed) }},
	} {
		o := newOutbox(1<<20, 1<<20, 1<<20)
		require.True(t, o.putStamped(stampOf(&small), make([]byte, c.size&0xff)), name)
		c.spoil(o)
		before, _ := o.depth()
		require.False(t, o.putStamped(stampOf(&small), make([]byte, c.size)), name)
		after, _ := o.depth()
		require.Equal(t, before, after, name)
	}
}

// A stamp that leads home says so with each message, as Post does.
func TestAStampThatLeadsHome(t *testing.T) {
	p := memoryPair(t, nil)
	ctx := within(t, 10*1e9)
	require.ErrorIs(t, p.a.Route("a:1").Stamp("x", "y").Post(ctx, nil), actor.ErrNoParcels)
}

// What stands before a stamped parcel is said anew after the table was emptied, and by whom it was not said before.
func TestStampedParcelsOutliveTheTable(t *testing.T) {
	var s said
	var h heard
	stamps := []*stamp{{to: "n/0", label: "method"}, {to: "n/1", label: "method"}, {to: "n/0", label: "other"}}
	for i := range 600 {
		for range 1 + i%3 {
			by := stamps[i/3%len(stamps)]
			c := cursor{b: s.addStamped(nil, by)}
			require.Equal(t, by.to, c.name(&h).Text)
			require.Equal(t, by.label, c.name(&h).Text)
			require.Zero(t, c.uvarint())
			require.False(t, c.failed)
			require.Empty(t, c.b)
		}
		c := cursor{b: s.add(nil, fmt.Sprintf("%0*d", maxName, i), false)}
		require.Len(t, c.name(&h).Text, maxName)
	}
	require.Less(t, len(h.names), 600, "it was emptied")
}
