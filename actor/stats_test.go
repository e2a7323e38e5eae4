package actor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// gate holds up whoever calls it, until it is opened.
type gate struct{ open, entered chan struct{} }

func (g *gate) Pass(_ context.Context, b []byte) error {
	g.entered <- struct{}{}
	<-g.open
	if string(b) == "bad" {
		return errors.New("as asked")
	}
	return nil
}

func TestStatsOfANode(t *testing.T) {
	s := NewSystem(Config{Table: NewTable()})
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	g := &gate{make(chan struct{}), make(chan struct{}, 16)}
	n, err := s.Spawn(Spec{Key: "gate/0", Value: g, Capacity: 1})
	require.NoError(t, err)
	require.NoError(t, n.Start(t.Context()))
	ref := NewRef[*gate](s.table, "gate/0")

	require.NoError(t, Tell(t.Context(), ref, (*gate).Pass, []byte("one")))
	<-g.entered
	require.NoError(t, Tell(t.Context(), ref, (*gate).Pass, []byte("bad")))
	waits := make(chan error)
	go func() { waits <- Do(t.Context(), ref, (*gate).Pass, []byte("bad")) }()
	require.Eventually(t, func() bool { return s.Stats().Nodes[0].Waiting == 1 }, time.Minute, time.Millisecond)
	require.Equal(t, NodeStats{Key: "gate/0", Messages: 1, Bytes: 3, Queued: 1, QueuedBytes: 3, Waiting: 1, Failures: map[string]uint64{}}, s.Stats().Nodes[0])

	close(g.open)
	require.Error(t, <-waits)
	require.NoError(t, n.Drain(t.Context()))
	got := s.Stats().Nodes[0]
	require.Positive(t, got.Waited)
	got.Waited = 0
	require.Equal(t, NodeStats{Key: "gate/0", Messages: 3, Bytes: 9, Waits: 1, Failures: map[string]uint64{"failed": 2}}, got)
	require.EqualValues(t, 1, s.Stats().FailedTells, "the other was a call")
}

func TestStatsOfAWay(t *testing.T) {
	s, tr := hostileSystem(t, 1)
	NewRef[*counter](s.table, "far/0")
	first := newCall(s, s.table.find("far/0"), callMethod((*counter).Add))
	require.NoError(t, s.sendCall(t.Context(), first, argumentOf(1), nil))
	second := newCall(s, s.table.find("far/0"), callMethod((*counter).Add))
	sent := make(chan error)
	go func() { sent <- s.sendCall(t.Context(), second, argumentOf(2), nil) }()
	require.Eventually(t, func() bool { return s.Stats().Ways[0].Waiting == 1 }, time.Minute, time.Millisecond)
	require.Equal(t, WayStats{Node: "far/0", Address: "there", Messages: 1, Bytes: 1, Out: 1, OutBytes: 1, Waiting: 1}, s.Stats().Ways[0])

	(&systemProcess{s}).SendUserMessage(nil, from("there", &wire.Reply{Id: tr.sent[0].(*wire.Call).Id, Result: []byte{1}}))
	require.NoError(t, <-sent)
	got := s.Stats().Ways[0]
	require.Positive(t, got.Waited)
	got.Waited = 0
	require.Equal(t, WayStats{Node: "far/0", Address: "there", Messages: 2, Bytes: 2, Out: 1, OutBytes: 1, Waits: 1}, got)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.tell(ctx, s.table.find("far/0"), doMethod((*keeper).See), argumentOf([]byte("x")), nil), ErrOverloaded)
	require.ErrorIs(t, s.tell(noPatience, s.table.find("far/0"), doMethod((*keeper).See), argumentOf([]byte("x")), nil), errNoPatience)
	require.EqualValues(t, 2, s.Stats().Ways[0].Waits, "one of them would not wait")
}

// Every code has a name, and what a peer makes up has one of these.
func TestReasonsOfFailures(t *testing.T) {
	seen := map[string]bool{}
	for c := range Code(len(reasons)) {
		require.NotEmpty(t, reasons[c], c)
		require.False(t, seen[reasons[c]])
		seen[reasons[c]] = true
	}
	for c := range sentinels {
		require.Less(t, int(c), len(reasons))
	}
	var f failures
	for _, c := range []Code{-1, 0, 99, 1 << 30} {
		f.add(&Error{Code: c})
	}
	require.Equal(t, map[string]uint64{"other": 4}, f.snapshot())
}
