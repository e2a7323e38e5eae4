package actor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tartrl/tlaunch-go/actor"
)

// translator is called by actors that know nothing of nodes.
type translator struct{ notes []string }

func (tr *translator) Upper(_ context.Context, s *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	if s.Value == "" {
		return nil, errors.New("nothing to translate")
	}
	return wrapperspb.String(strings.ToUpper(s.Value)), nil
}
func (tr *translator) Count(_ context.Context, s []string) (int, error) { return len(s), nil }
func (tr *translator) One(context.Context, *wrapperspb.BoolValue) error { return nil }
func (tr *translator) Two(context.Context, *wrapperspb.BoolValue) error { return nil }
func (tr *translator) Note(_ context.Context, s string) error {
	tr.notes = append(tr.notes, s)
	return nil
}

func TestPlainMessages(t *testing.T) {
	c := newCluster(t, "a")
	tr := &translator{}
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: tr})
	pid, err := actor.NewRef[*translator](c.tables["a"], "a/0").PID()
	require.NoError(t, err)
	root := c.systems["a"].Actors().Root
	got, err := root.RequestFuture(pid, wrapperspb.String("hello"), time.Minute).Result()
	require.NoError(t, err)
	require.Equal(t, "HELLO", got.(*wrapperspb.StringValue).Value)
	got, err = root.RequestFuture(pid, []string{"x", "y"}, time.Minute).Result()
	require.NoError(t, err)
	require.Equal(t, 2, got)
	for name, m := range map[string]any{"ambiguous": wrapperspb.Bool(true), "unhandled": wrapperspb.Double(1), "failing": wrapperspb.String(""), "odd": 1.5} {
		before := c.systems["a"].Stats().DeadLetters
		_, err = root.RequestFuture(pid, m, time.Minute).Result()
		require.ErrorIs(t, err, protoactor.ErrDeadLetter, name)
		require.Equal(t, before+1, c.systems["a"].Stats().DeadLetters, name)
	}
	root.Send(pid, "in passing")
	root.Poison(pid) // after what was sent before
	select {
	case <-watch(t, c.systems["a"].Actors(), pid):
	case <-t.Context().Done():
	}
	require.NoError(t, n.Stop(t.Context()))
	require.Equal(t, []string{"in passing"}, tr.notes)
}

// watch tells when pid has terminated.
func watch(t *testing.T, sys *protoactor.ActorSystem, pid *protoactor.PID) <-chan struct{} {
	done := make(chan struct{})
	watcher := sys.Root.Spawn(protoactor.PropsFromFunc(func(ctx protoactor.Context) {
		switch ctx.Message().(type) {
		case *protoactor.Started:
			ctx.Watch(pid)
		case *protoactor.Terminated:
			close(done)
		}
	}))
	t.Cleanup(func() { _ = sys.Root.StopFuture(watcher).Wait() })
	return done
}

func TestWatchAcrossSystems(t *testing.T) {
	c := newCluster(t, "a")
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &translator{}})
	sys := c.systems["a"].Actors()
	pid, err := actor.NewRef[*translator](c.tables["a"], "a/0").PID()
	require.NoError(t, err)
	watched := watch(t, sys, pid)
	saw := make(chan string, 9)
	second := sys.Root.Spawn(protoactor.PropsFromFunc(func(ctx protoactor.Context) {
		switch ctx.Message().(type) {
		case *protoactor.Started:
			ctx.Watch(pid)
			ctx.Unwatch(pid)
			saw <- "ready"
		case *protoactor.Terminated:
			saw <- "terminated"
		}
	}))
	require.Equal(t, "ready", <-saw)
	sys.Root.Stop(pid)
	<-watched
	require.NoError(t, n.Stop(t.Context()))
	require.NoError(t, sys.Root.StopFuture(second).Wait())
	require.Empty(t, saw)
	<-watch(t, sys, pid) // of one that is gone
}

// A full node holds a link up once, not with each message for it.
func TestFullNodeHoldsALinkUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		p := newParker()
		s := c.systems["a"]
		n := spawn(t, s, actor.Spec{Key: "a/0", Value: &taker{p}, Capacity: 1})
		process, ok := s.Actors().ProcessRegistry.GetLocal("a/0")
		require.True(t, ok)
		bring := func() { // as a link's reader does
			process.SendUserMessage(nil, &protoactor.MessageEnvelope{Message: wrapperspb.String("1")})
		}
		bring()
		receiveFrom(t, p.entered)
		bring()
		begin := time.Now()
		for range 100 {
			bring()
		}
		require.Equal(t, 100*time.Millisecond, time.Since(begin))
		require.Equal(t, 1, n.Queued())
		p.open <- struct{}{}
		receiveFrom(t, p.entered)
		bring()
		require.Equal(t, 1, n.Queued(), "there is room again")
		begin = time.Now()
		bring()
		require.Equal(t, 100*time.Millisecond, time.Since(begin), "and patience")
		close(p.open)
	})
}

func receiveFrom(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "nothing has come")
	}
}

// taker is a parker for plain messages.
type taker struct{ *parker }

func (k *taker) Put(ctx context.Context, s *wrapperspb.StringValue) error {
	return k.parker.Put(ctx, []byte{1})
}
