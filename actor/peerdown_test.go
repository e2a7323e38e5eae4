package actor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// fateCluster is two systems; on "b", fate and away are the test's.
func fateCluster(t *testing.T, fate func(context.Context, string) error, away func(context.Context, string, string, error) error) (*testCluster, actor.Ref[*gate], *gate) {
	c := newClusterWith(t, actor.Config{Fate: fate, Away: away}, "a", "b")
	g := newGate()
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g})
	return c, actor.NewRef[*gate](c.tables["b"], "a/0"), g
}

func TestCallsEndAsTheirPeersFateIs(t *testing.T) {
	for name, want := range map[string]struct{ fate, err error }{
		"gone":    {actor.ErrPeerGone, actor.ErrPeerGone},
		"unknown": {nil, actor.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, ref, g := fateCluster(t, func(_ context.Context, address string) error {
					require.Equal(t, "a", address)
					time.Sleep(time.Second)
					return want.fate
				}, nil)
				call := actor.GoDo(t.Context(), ref, (*gate).Hold, 1)
				<-g.entered
				impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				short := actor.GoDo(impatient, ref, (*gate).Hold, 2)
				began := time.Now()
				c.systems["b"].PeerDown("a", errors.New("reset"))
				_, err := short.Wait(t.Context())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				_, err = call.Wait(t.Context())
				require.ErrorIs(t, err, want.err)
				require.Equal(t, time.Second, time.Since(began))
				close(g.open)
			})
		})
	}
}

func TestCallsEndAtOnceWhereTheirPeerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ref, g := fateCluster(t, func(context.Context, string) error { panic("it is known") }, nil)
		call := actor.GoDo(t.Context(), ref, (*gate).Hold, 1)
		<-g.entered
		c.systems["b"].PeerDown("a", fmt.Errorf("killed: %w", actor.ErrPeerGone))
		_, err := call.Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrPeerGone)
		require.NotErrorIs(t, err, actor.ErrUnreachable)
		close(g.open)
	})
}

// Closing does not wait for what becomes of a peer.
func TestCloseWhileAFateIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ref, g := fateCluster(t, func(ctx context.Context, _ string) error { <-ctx.Done(); return nil }, nil)
		call := actor.GoDo(t.Context(), ref, (*gate).Hold, 1)
		<-g.entered
		c.systems["b"].PeerDown("a", nil)
		require.NoError(t, c.systems["b"].Close(t.Context()))
		_, err := call.Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrUnreachable)
		close(g.open)
	})
}

// A message that could not be sent waits for its node's next process, and is sent once.
func TestMessagesWaitForAProcessThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *testCluster
		c, ref, g := fateCluster(t, nil, func(ctx context.Context, key, address string, why error) error {
			require.Equal(t, []string{"a/0", "a"}, []string{key, address})
			require.ErrorIs(t, why, actor.ErrUnreachable)
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		c.cut("a", "b", true)
		began := time.Now()
		time.AfterFunc(1500*time.Millisecond, func() { c.cut("a", "b", false) })
		require.NoError(t, actor.Do(t.Context(), ref, (*gate).Note, 1))
		require.Equal(t, 2*time.Second, time.Since(began))
		c.cut("a", "b", true)
		time.AfterFunc(500*time.Millisecond, func() { c.cut("a", "b", false) })
		require.NoError(t, actor.Tell(t.Context(), ref, (*gate).Note, 2))
		require.NoError(t, actor.Do(t.Context(), ref, (*gate).Note, 3))
		require.Equal(t, []int{1, 2, 3}, g.seen)

		c.cut("a", "b", true)
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.Error(t, actor.Do(short, ref, (*gate).Note, 4))
		stopped := make(chan error)
		go func() { stopped <- actor.Do(t.Context(), ref, (*gate).Note, 5) }()
		synctest.Wait()
		require.NoError(t, c.systems["b"].Close(t.Context()))
		require.ErrorIs(t, <-stopped, actor.ErrStopped)
	})
}
