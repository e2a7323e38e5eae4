package actor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// parker holds a turn with each message that begins with a one.
type parker struct {
	entered chan struct{}
	open    chan struct{}
}

func newParker() *parker { return &parker{make(chan struct{}, 64), make(chan struct{})} }

func (p *parker) Put(_ context.Context, b []byte) error {
	if len(b) > 0 && b[0] == 1 {
		p.entered <- struct{}{}
		<-p.open
	}
	return nil
}

// What has left the mailbox gives its window back, but for a quarter, while the method at hand takes its time.
func TestALongMethodKeepsNoWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, actor.Config{WindowBytes: 1000}, "a", "b")
		p := newParker()
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: p})
		ref := actor.NewRef[*parker](c.tables["b"], "a/0")
		put := func(first byte, size int) error {
			b := make([]byte, size)
			b[0] = first
			return actor.Tell(actor.NoWait(t.Context()), ref, (*parker).Put, b)
		}
		require.NoError(t, put(0, 240))
		synctest.Wait()
		require.NoError(t, put(1, 240))
		synctest.Wait()
		require.Len(t, p.entered, 1)
		require.Zero(t, n.Queued())
		require.NoError(t, put(0, 999), "with an empty mailbox a message of any size goes")
		close(p.open)
		synctest.Wait()
	})
}

// Each turn of a node that has several may take long, and none keeps the window of what it has taken.
func TestMethodsBesideEachOtherKeepNoWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const turns = 16
		c := newClusterWith(t, actor.Config{WindowBytes: 1000}, "a", "b")
		p := newParker()
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: p, Concurrent: turns})
		ref := actor.NewRef[*parker](c.tables["b"], "a/0")
		b := make([]byte, 240)
		b[0] = 1
		for range turns {
			require.NoError(t, actor.Tell(actor.NoWait(t.Context()), ref, (*parker).Put, b))
			synctest.Wait()
		}
		require.Len(t, p.entered, turns)
		close(p.open)
	})
}
