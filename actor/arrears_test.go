package actor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// Window that cannot be given back, for want of room on the link, is given back later, in sums.
func TestCreditIsNeverLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 64
		c := newClusterWith(t, actor.Config{Window: window}, "a", "b")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: newParker()})
		ref := actor.NewRef[*parker](c.tables["b"], "a/0")
		tellAll := func() (told int) {
			for actor.Tell(actor.NoWait(t.Context()), ref, (*parker).Put, []byte{0}) == nil {
				told++
			}
			return told
		}
		end := c.network.jams()
		told := 0
		for range 3 { // what is given back in the first round is not there in the next
			told += tellAll()
			synctest.Wait()
		}
		require.Equal(t, window, told)
		before := c.network.urgent()
		end()
		synctest.Wait()
		require.LessOrEqual(t, c.network.urgent()-before, 2, "the credit in hand, and the sum of what came while it waited")
		require.GreaterOrEqual(t, tellAll(), window*3/4, "the window has come back, but for what waits for more: see isShareOf")
		synctest.Wait()
	})
}

// Window that waits to be given back when the link is lost is not given back over the next one: there it would be more than was taken.
func TestCreditEndsWithItsLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 64
		c := newClusterWith(t, actor.Config{Window: window}, "a", "b")
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: newGate()})
		ref := actor.NewRef[*gate](c.tables["b"], "a/0")
		tellAll := func() (told int) {
			for actor.Tell(actor.NoWait(t.Context()), ref, (*gate).Note, 0) == nil {
				told++
			}
			return told
		}
		end := c.network.jams()
		require.Equal(t, window, tellAll())
		synctest.Wait()
		require.Zero(t, n.Queued(), "all of it is owed")
		c.systems["b"].PeerDown("a", nil)
		c.systems["a"].PeerDown("b", nil)
		synctest.Wait()
		actor.GoDo(t.Context(), ref, (*gate).Hold, 0)
		require.Equal(t, window-1, tellAll(), "the window came back with the link, but for the call that holds the node's turn")
		before := c.network.urgent()
		end()
		synctest.Wait()
		require.Equal(t, before, c.network.urgent(), "nothing was taken of the window that there is now")
		require.Zero(t, tellAll())
	})
}

// A result that finds no room has its place in the node's turn until there is; an error does not hold up whoever tells it.
func TestAnswersWaitInTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, actor.Config{}, "a", "b")
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: newParker()})
		ref := actor.NewRef[*parker](c.tables["b"], "a/0")
		end := c.network.jams()
		first := actor.GoDo(t.Context(), ref, (*parker).Put, []byte{0})
		second := actor.GoDo(t.Context(), ref, (*parker).Put, []byte{0})
		synctest.Wait()
		require.Equal(t, 1, n.Queued(), "behind the result of the first")
		require.NoError(t, n.Stop(context.Background()))
		end()
		_, err := first.Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrOverloaded, "its node could not wait")
		_, err = second.Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrStopped)
	})
}

// Nobody waits for ever for a process that does not read.
func TestAnswersWaitOnlySoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, actor.Config{}, "a", "b")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: newParker()})
		ref := actor.NewRef[*parker](c.tables["b"], "a/0")
		end := c.network.jams()
		asked := actor.GoDo(t.Context(), ref, (*parker).Put, []byte{0})
		synctest.Wait()
		time.Sleep(time.Minute)
		end()
		_, err := asked.Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrOverloaded)
	})
}
