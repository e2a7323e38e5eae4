package actor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// immovable holds its turn whatever its context says.
type immovable struct {
	*gate
	release chan struct{}
}

func (s *immovable) Hold(context.Context, int) error {
	s.entered <- struct{}{}
	<-s.release
	return nil
}

func TestReplace(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		old := &immovable{newGate(), make(chan struct{})}
		node := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: old})
		ref := actor.NewRef[*immovable](c.tables[from], "a/0")
		running := actor.GoDo(t.Context(), ref, (*immovable).Hold, 1)
		<-old.entered
		queued := actor.GoDo(t.Context(), ref, (*immovable).Note, 2)
		require.NoError(t, actor.Tell(t.Context(), ref, (*immovable).Note, 3))
		require.Eventually(t, func() bool { return node.Queued() == 2 }, time.Minute, time.Millisecond)

		fresh := &immovable{newGate(), make(chan struct{})}
		next, err := node.Replace(fresh)
		require.NoError(t, err)
		for _, f := range []*actor.Future[struct{}]{running, queued} {
			_, err := f.Wait(t.Context()) // before the method has returned
			require.ErrorIs(t, err, actor.ErrPeerGone)
			require.NotErrorIs(t, err, actor.ErrStopped)
		}
		gathered := actor.GoDo(t.Context(), ref, (*immovable).Note, 4)
		_, err = node.Replace(&immovable{})
		require.ErrorIs(t, err, actor.ErrStopped, "it has a successor")

		close(old.release)
		require.NoError(t, node.Stop(t.Context()))
		require.Empty(t, old.seen, "nothing more was handled")
		require.NoError(t, next.Start(t.Context()))
		_, err = gathered.Wait(t.Context())
		require.NoError(t, err)
		seen, err := actor.Call0(t.Context(), ref, (*immovable).Seen)
		require.NoError(t, err)
		require.Equal(t, []int{4}, seen, "what was sent to the old never reaches the new")

		require.NoError(t, next.Stop(t.Context()))
		_, err = next.Replace(&immovable{})
		require.ErrorIs(t, err, actor.ErrStopped)
		require.ErrorIs(t, actor.Do(t.Context(), ref, (*immovable).Note, 5), actor.ErrStopped)
	})
}

// Whoever waits for room, or for a batch to be full, learns of the end alike.
func TestReplaceEndsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		for _, method := range []func(context.Context, actor.Ref[*gate]) error{
			func(ctx context.Context, ref actor.Ref[*gate]) error { return actor.Do(ctx, ref, (*gate).Hold, 3) },
			func(ctx context.Context, ref actor.Ref[*gate]) error { return actor.Tell(ctx, ref, (*gate).Hold, 3) },
		} {
			g := newGate()
			node := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g, Capacity: 1})
			ref := actor.NewRef[*gate](c.tables["a"], "a/0")
			first := actor.GoDo(t.Context(), ref, (*gate).Hold, 1)
			<-g.entered
			second := actor.GoDo(t.Context(), ref, (*gate).Hold, 2)
			waiting := make(chan error)
			go func() { waiting <- method(t.Context(), ref) }()
			synctest.Wait()
			next, err := node.Replace(newGate())
			require.NoError(t, err)
			require.ErrorIs(t, <-waiting, actor.ErrPeerGone)
			for _, f := range []*actor.Future[struct{}]{first, second} {
				_, err := f.Wait(t.Context())
				require.ErrorIs(t, err, actor.ErrPeerGone)
			}
			require.NoError(t, node.Stop(t.Context()))
			require.NoError(t, next.Stop(t.Context()))
		}

		node := spawn(t, c.systems["a"], actor.Spec{Key: "a/1", Value: &evaluator{}, Batches: []actor.Batch{actor.Batched((*evaluator).Squares, 8, time.Hour)}})
		ref := actor.NewRef[*evaluator](c.tables["a"], "a/1")
		waiting := make(chan error)
		go func() {
			_, err := actor.CallBatched(t.Context(), ref, (*evaluator).Squares, 3)
			waiting <- err
		}()
		synctest.Wait()
		next, err := node.Replace(&evaluator{})
		require.NoError(t, err)
		require.ErrorIs(t, <-waiting, actor.ErrPeerGone)
		require.NoError(t, node.Stop(t.Context()))
		require.NoError(t, next.Stop(t.Context()))
	})
}
