package tlaunch

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// looker says what its process has counted.
type looker struct {
	counters Counters
	far      actor.Ref[*looker]
}

type sight struct {
	Messages uint64 // that this node was sent
	Links    int    // with other processes
	FarSent  uint64 // messages to the other node, where that is in another process
	Peer     string // who sent more than this process did
}

func (l *looker) Start(ctx context.Context) error {
	l.counters = CountersOf(ctx)
	return nil
}

func (l *looker) Ask(ctx context.Context) (sight, error) {
	return actor.Call0(ctx, l.far, (*looker).Look)
}

func (l *looker) Look(ctx context.Context) (sight, error) {
	var s sight
	for _, n := range l.counters.Nodes().Nodes {
		if n.Key == actor.Self(ctx) {
			s.Messages = n.Messages
		}
	}
	for _, w := range l.counters.Nodes().Ways {
		s.FarSent += w.Messages
	}
	for _, p := range l.counters.Links().Peers {
		s.Links += p.Links
		if p.ReceivedMessages > 0 {
			s.Peer = p.Name
		}
	}
	return s, nil
}

var lookersProgram = Define("test-lookers", func(p *Program, _ starConfig) error {
	one, other := &looker{}, &looker{}
	other.far = Add(p, "first", one, On(p.Hosts()[0]))
	one.far = Add(p, "second", other, On(p.Hosts()[1]))
	return nil
}, LocalHosts(2))

func TestCounters(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		ctx := within(t)
		run := launched(t, lookersProgram, starConfig{}, kind)
		first, err := Find[*looker](run, "first", 0)
		require.NoError(t, err)
		second, err := Find[*looker](run, "second", 0)
		require.NoError(t, err)
		there, err := actor.Call0(ctx, first, (*looker).Ask)
		require.NoError(t, err)
		require.EqualValues(t, 1, there.Messages)
		here, err := actor.Call0(ctx, first, (*looker).Look)
		require.NoError(t, err)
		require.EqualValues(t, 2, here.Messages)

		links := run.Counters().Links()
		if len(links.Peers) == 0 { // all in this process
			require.Len(t, run.Counters().Nodes().Nodes, 2)
			require.Zero(t, there.Links+here.Links)
			return
		}
		require.EqualValues(t, 1, here.FarSent)
		require.Positive(t, there.Links)
		require.NotEmpty(t, there.Peer)
		require.Empty(t, run.Counters().Nodes().Nodes, "the launcher has none")
		require.Len(t, run.Counters().Nodes().Ways, 1)
		_, err = actor.Call0(ctx, second, (*looker).Look)
		require.NoError(t, err)
		require.Len(t, run.Counters().Nodes().Ways, 2)
	})
	require.Zero(t, CountersOf(t.Context()))
	require.Zero(t, Counters{}.Links())
	require.Zero(t, Counters{}.Nodes())
}
