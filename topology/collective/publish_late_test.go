package collective_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Who joins late has the newest version of another reader: it costs the publisher nothing, also where that publishes no more.
func TestPublishLateJoiner(t *testing.T) { synctest.Test(t, lateJoiner) }

func lateJoiner(t *testing.T) {
	const size, late = 1 << 20, 3
	g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
	var early, all sync.WaitGroup
	early.Add(late - 1)
	all.Add(late)
	g.do(func(ctx context.Context, w *worker) error {
		if w.Rank() == 0 {
			p, err := collective.NewPublisher(ctx, w, "weights")
			require.NoError(t, err)
			_, err = p.Publish(weights(1, size))
			require.NoError(t, err)
			early.Wait()
			before := p.Stats().SentBytes
			all.Wait()
			require.Equal(t, before, p.Stats().SentBytes)
			return p.Close(ctx)
		}
		if w.Rank() == late {
			early.Wait()
		}
		r, err := collective.NewReader(ctx, w, 0, "weights")
		require.NoError(t, err)
		v, err := r.Latest(ctx)
		require.NoError(t, err)
		n, err := whole(v)
		require.NoError(t, err)
		require.Equal(t, uint64(1), n)
		if w.Rank() == late {
			require.GreaterOrEqual(t, r.Stats().ReceivedBytes, uint64(size))
		} else {
			early.Done()
		}
		all.Done()
		_, err = r.Next(ctx, v.Number)
		require.ErrorIs(t, err, collective.ErrEnded)
		return r.Close(ctx)
	})
}
