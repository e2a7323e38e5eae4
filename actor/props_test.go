package actor_test

import (
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestRawActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(letDeadLettersRest)
		c := newCluster(t, "a")
		sys := c.systems["a"]
		entered, open := make(chan struct{}, 99), make(chan struct{})
		var got []int
		props := protoactor.PropsFromFunc(func(ctx protoactor.Context) {
			if n, ok := ctx.Message().(int); ok {
				entered <- struct{}{}
				<-open
				got = append(got, n)
			}
		})
		pid, err := sys.SpawnProps("a/0", props, 2)
		require.NoError(t, err)
		_, err = sys.SpawnProps("a/0", props, 2)
		require.ErrorIs(t, err, protoactor.ErrNameExists)
		ref, err := actor.NewRef[actor.PropsNode](c.tables["a"], "a/0").PID()
		require.NoError(t, err)
		require.Equal(t, pid.String(), ref.String())

		root := sys.Actors().Root
		root.Send(pid, 0)
		synctest.Wait()
		require.Empty(t, entered, "it was not let begin")
		sys.StartProps("a/0")
		<-entered
		root.Send(pid, 1)
		root.Send(pid, 2)
		sent := make(chan struct{})
		go func() { root.Send(pid, 3); close(sent) }()
		synctest.Wait()
		select {
		case <-sent:
			t.Fatal("the mailbox has no bound")
		default:
		}
		begin := time.Now()
		root.Send(pid, 4)
		require.Equal(t, 30*time.Second, time.Since(begin))
		<-sent // it gave up at the same time
		require.EqualValues(t, 2, sys.Stats().DeadLetters)
		foreign := &protoactor.MessageEnvelope{Message: 5}
		begin = time.Now()
		for range 100 { // a link is not held up for each
			root.Send(pid, foreign)
		}
		require.Less(t, time.Since(begin), time.Second)
		require.EqualValues(t, 102, sys.Stats().DeadLetters)
		close(open)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2}, got)
		require.NoError(t, sys.StopProps(t.Context(), "a/0"))
		require.NoError(t, sys.StopProps(t.Context(), "a/0"))
		_, err = sys.SpawnProps("a/0", props, 0)
		require.NoError(t, err, "the name is free again")
	})
}

func TestRawActorLeavesDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(letDeadLettersRest)
		c := newCluster(t, "a")
		sys := c.systems["a"]
		open := make(chan struct{})
		pid, err := sys.SpawnProps("a/0", protoactor.PropsFromFunc(func(ctx protoactor.Context) {
			if _, ok := ctx.Message().(int); ok {
				<-open
			}
		}), 4)
		require.NoError(t, err)
		sys.StartProps("a/0")
		root := sys.Actors().Root
		for i := range 5 {
			root.Send(pid, i)
			synctest.Wait()
		}
		go root.Send(pid, 5) // waits for room
		synctest.Wait()
		root.Stop(pid)
		close(open)
		synctest.Wait()
		require.EqualValues(t, 5, sys.Stats().DeadLetters)
		root.Send(pid, 6)
		require.EqualValues(t, 6, sys.Stats().DeadLetters)
	})
}

// A restart by Proto.Actor's supervisor keeps what waits.
func TestRawActorRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(letDeadLettersRest)
		c := newCluster(t, "a")
		sys := c.systems["a"]
		var got []int
		begun := 0
		pid, err := sys.SpawnProps("a/0", protoactor.PropsFromProducer(func() protoactor.Actor {
			begun++
			return protoactor.ReceiveFunc(func(ctx protoactor.Context) {
				if n, ok := ctx.Message().(int); ok {
					if n == 2 {
						panic("two")
					}
					got = append(got, n)
				}
			})
		}), 0)
		require.NoError(t, err)
		for i := range 5 {
			sys.Actors().Root.Send(pid, i)
		}
		sys.StartProps("a/0")
		synctest.Wait()
		require.Equal(t, []int{0, 1, 3, 4}, got)
		require.Equal(t, 2, begun)
		require.NoError(t, sys.Close(t.Context())) // stops raw actors too
		_, err = sys.SpawnProps("a/1", protoactor.PropsFromFunc(func(protoactor.Context) {}), 0)
		require.ErrorIs(t, err, actor.ErrStopped)
	})
}

// letDeadLettersRest gives Proto.Actor's throttle of dead letters the
// nanosecond of the bubble's time that it asks for.
func letDeadLettersRest() { time.Sleep(time.Microsecond) }
