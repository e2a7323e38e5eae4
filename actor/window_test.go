package actor_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestWindowBoundsWhatIsUnderWay(t *testing.T) {
	const size = 8
	for name, send := range map[string]func(context.Context, actor.Ref[*gate], int) error{
		"tells": func(ctx context.Context, r actor.Ref[*gate], i int) error { return actor.Tell(ctx, r, (*gate).Hold, i) },
		"calls": func(ctx context.Context, r actor.Ref[*gate], i int) error { return actor.Do(ctx, r, (*gate).Hold, i) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClusterWith(t, actor.Config{Window: size}, "a", "b")
				g := newGate()
				n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g})
				ref := actor.NewRef[*gate](c.tables["b"], "a/0")
				var group sync.WaitGroup
				for i := range 3 * size {
					group.Go(func() { require.NoError(t, send(t.Context(), ref, i)) })
				}
				synctest.Wait()
				require.LessOrEqual(t, n.Queued()+1, size+1) // a tell in its turn has left the mailbox
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := send(ctx, ref, -1)
				require.ErrorIs(t, err, actor.ErrOverloaded)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				close(g.open)
				group.Wait()
				synctest.Wait()
				require.Len(t, g.seen, 3*size)
			})
		})
	}
}

// A call that was given up keeps its window until the node answers: its
// message may still lie in the mailbox.
func TestAbandonedCallsDoNotFillAMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4
		c := newClusterWith(t, actor.Config{Window: size}, "a", "b")
		g := newGate()
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &stubborn{g}})
		ref := actor.NewRef[*stubborn](c.tables["b"], "a/0")
		for range 5 * size {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			require.ErrorIs(t, actor.Do0(ctx, ref, (*stubborn).Hold), context.DeadlineExceeded)
			cancel()
		}
		synctest.Wait()
		require.Equal(t, size-1, n.Queued())
		close(g.open)
		synctest.Wait()
		require.NoError(t, actor.Do0(t.Context(), ref, (*stubborn).Hold))
	})
}

// stubborn does not look at its context.
type stubborn struct{ *gate }

func (s *stubborn) Hold(context.Context) error { <-s.open; return nil }

func TestLostLinkGivesWindowBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4
		c := newClusterWith(t, actor.Config{Window: size}, "a", "b")
		g := newGate()
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g})
		ref := actor.NewRef[*gate](c.tables["b"], "a/0")
		futures := make(chan error, size)
		for i := range size {
			go func() { futures <- actor.Do(t.Context(), ref, (*gate).Hold, i) }()
		}
		synctest.Wait()
		waiting := make(chan error, 1)
		go func() { waiting <- actor.Do(t.Context(), ref, (*gate).Note, 1) }()
		synctest.Wait()
		c.cut("a", "b", true)
		c.systems["b"].PeerDown("a", errors.New("cable"))
		for range size {
			require.ErrorIs(t, <-futures, actor.ErrUnreachable)
		}
		require.ErrorIs(t, <-waiting, actor.ErrUnreachable)
		require.ErrorIs(t, actor.Tell(t.Context(), ref, (*gate).Note, 1), actor.ErrUnreachable)
		c.systems["a"].PeerDown("b", errors.New("cable")) // ends the methods
		c.cut("a", "b", false)
		for i := range 3 * size {
			require.NoError(t, actor.Tell(t.Context(), ref, (*gate).Note, i))
			require.NoError(t, actor.Do(t.Context(), ref, (*gate).Note, i))
		}
	})
}

// A call that waits long for window is known to its system, which probes for
// it; it gets its address while others' links are lost.
func TestLostLinkBesideACallThatWaitsForWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, actor.Config{Window: 1}, "a", "b")
		g := newGate()
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g})
		there := actor.NewRef[*gate](c.tables["b"], "a/0")
		spawn(t, c.systems["b"], actor.Spec{Key: "b/0", Value: &witness{saw: func(ctx context.Context) error {
			return actor.Do(ctx, there, (*gate).Note, 1)
		}}})
		holder := actor.GoDo(t.Context(), there, (*gate).Hold, 0)
		waiter := actor.GoDo0(t.Context(), actor.NewRef[*witness](c.tables["b"], "b/0"), (*witness).See)
		time.Sleep(time.Second) // of the bubble: it has been probed for
		require.Equal(t, 2, c.systems["b"].Stats().Pending)
		close(g.open)
		for !isDone(waiter.Done()) {
			c.systems["b"].PeerDown("c", errors.New("cable"))
		}
		_, err := waiter.Wait(t.Context())
		require.NoError(t, err, "the loss of another link ended the call")
		_, err = holder.Wait(t.Context())
		require.NoError(t, err)
	})
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func TestCloseReleasesWhoWaitsForWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, actor.Config{Window: 1}, "a", "b")
		g := newGate()
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g})
		ref := actor.NewRef[*gate](c.tables["b"], "a/0")
		require.NoError(t, actor.Tell(t.Context(), ref, (*gate).Hold, 0))
		require.NoError(t, actor.Tell(t.Context(), ref, (*gate).Hold, 1))
		out := make(chan error, 2)
		for range 2 {
			go func() { out <- actor.Tell(t.Context(), ref, (*gate).Hold, 2) }()
		}
		synctest.Wait()
		require.NoError(t, c.systems["b"].Close(t.Context()))
		require.ErrorIs(t, <-out, actor.ErrStopped)
		require.ErrorIs(t, <-out, actor.ErrStopped)
	})
}

func TestSlowNodeDoesNotHoldUpItsNeighbour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, actor.Config{Window: 4}, "a", "b")
		g := newGate()
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g})
		spawn(t, c.systems["a"], actor.Spec{Key: "a/1", Value: &sum{}})
		slow, quick := actor.NewRef[*gate](c.tables["b"], "a/0"), actor.NewRef[*sum](c.tables["b"], "a/1")
		for range 20 {
			go func() { _ = actor.Tell(t.Context(), slow, (*gate).Hold, 0) }() // some wait until the end
		}
		synctest.Wait()
		for i := range 50 {
			require.NoError(t, actor.Tell(t.Context(), quick, (*sum).Put, i))
		}
		got, err := actor.Call0(t.Context(), quick, (*sum).Total)
		require.NoError(t, err)
		require.Equal(t, 49*50/2, got)
		close(g.open)
		synctest.Wait()
	})
}

// echoer answers each Tell of another with one Tell, as long as it has hops.
type echoer struct {
	other actor.Ref[*echoer]
	got   atomic.Int64
}

func (e *echoer) Hop(ctx context.Context, hops int) error {
	e.got.Add(1)
	if hops == 0 {
		return nil
	}
	return actor.Tell(ctx, e.other, (*echoer).Hop, hops-1)
}

func (e *echoer) Get(context.Context) (int, error) { return int(e.got.Load()), nil }

func TestFloodsInBothDirections(t *testing.T) {
	c := newClusterWith(t, actor.Config{Window: 16}, "a", "b")
	nodes := map[string]*echoer{}
	for _, home := range []string{"a", "b"} {
		other := map[string]string{"a": "b/0", "b": "a/0"}[home]
		nodes[home] = &echoer{other: actor.NewRef[*echoer](c.tables[home], other)}
		spawn(t, c.systems[home], actor.Spec{Key: home + "/0", Value: nodes[home]})
	}
	const senders, each = 4, 300
	var group sync.WaitGroup
	for _, n := range nodes {
		for range senders {
			group.Go(func() {
				for range each {
					require.NoError(t, actor.Tell(t.Context(), n.other, (*echoer).Hop, 0))
					_, err := actor.Call0(t.Context(), n.other, (*echoer).Get)
					require.NoError(t, err)
				}
			})
		}
	}
	group.Wait()
	for _, n := range nodes {
		require.EqualValues(t, senders*each, n.got.Load())
	}
	require.NoError(t, actor.Tell(t.Context(), nodes["a"].other, (*echoer).Hop, 1000))
}
