package actor_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// bytesGate holds up its first message, and notes the sizes of all.
type bytesGate struct {
	open chan struct{}
	seen []int
}

func (g *bytesGate) Put(_ context.Context, b []byte) error {
	<-g.open
	g.seen = append(g.seen, len(b))
	return nil
}

func TestAMailboxIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		g := &bytesGate{open: make(chan struct{})}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g, Bytes: 1000})
		ref := actor.NewRef[*bytesGate](c.tables["a"], "a/0")
		put := func(size int) error {
			return actor.Tell(actor.NoWait(t.Context()), ref, (*bytesGate).Put, make([]byte, size))
		}
		require.NoError(t, put(5000), "whatever its size, a message has room in an empty mailbox")
		synctest.Wait() // in its turn: it waits no more
		require.NoError(t, put(100))
		require.NoError(t, put(3000), "and where less than a quarter is taken")
		messages, bytes := n.Waiting()
		require.Equal(t, [2]int{2, 3100}, [2]int{messages, bytes})
		require.ErrorIs(t, put(1), actor.ErrOverloaded)
		waits := make(chan error, 1)
		go func() { waits <- actor.Tell(t.Context(), ref, (*bytesGate).Put, make([]byte, 1)) }()
		synctest.Wait()
		require.Empty(t, waits)
		close(g.open)
		require.NoError(t, <-waits)
		require.NoError(t, n.Drain(t.Context()))
		require.Equal(t, []int{5000, 100, 3000, 1}, g.seen)
		messages, bytes = n.Waiting()
		require.Zero(t, messages+bytes)
	})
}

// NoWait is for every verb, here and across a link, also where a method sends, which would wait otherwise.
func TestWhoDoesNotWaitIsToldAtOnce(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		synctest.Test(t, func(t *testing.T) {
			c := newClusterWith(t, actor.Config{Window: 2}, "a", "b")
			g := newGate()
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g, Capacity: 2})
			ref := actor.NewRef[*gate](c.tables[from], "a/0")
			ctx := actor.NoWait(t.Context())
			for sent := 0; ; sent++ {
				err := actor.Tell(ctx, ref, (*gate).Hold, sent)
				synctest.Wait()
				if sent < 3 && err == nil { // one in its turn, which across a link holds window until credit comes
					continue
				}
				require.ErrorIs(t, err, actor.ErrOverloaded)
				break
			}
			require.ErrorIs(t, actor.Do(ctx, ref, (*gate).Hold, 9), actor.ErrOverloaded)
			_, err := actor.GoDo(ctx, ref, (*gate).Hold, 9).Wait(t.Context())
			require.ErrorIs(t, err, actor.ErrOverloaded)
			spawn(t, c.systems[from], actor.Spec{Key: from + "/1", Value: &witness{saw: func(ctx context.Context) error {
				return actor.Tell(actor.NoWait(ctx), ref, (*gate).Hold, 9)
			}}})
			require.ErrorIs(t, actor.Do0(t.Context(), actor.NewRef[*witness](c.tables[from], from+"/1"), (*witness).See), actor.ErrOverloaded)
			close(g.open)
			synctest.Wait()
			require.NotContains(t, g.seen, 9)
			require.NoError(t, actor.Tell(ctx, ref, (*gate).Note, 10), "there is room again")
			synctest.Wait()
		})
	}
}

// Many senders find a small mailbox full all the time. None is forgotten, and each one's messages keep their order.
func TestAFullMailboxLetsEverybodyInInTurn(t *testing.T) {
	const senders, each = 50, 40
	for _, concurrent := range []int{1, 3} {
		c := newCluster(t, "a")
		l := &lockedLedger{got: map[int][]int{}}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l, Capacity: 8, Concurrent: concurrent})
		ref := actor.NewRef[*lockedLedger](c.tables["a"], "a/0")
		var group sync.WaitGroup
		for s := range senders {
			group.Go(func() {
				for i := range each {
					require.NoError(t, actor.Tell(t.Context(), ref, (*lockedLedger).Enter, entry{s, i}))
				}
			})
		}
		group.Wait()
		require.NoError(t, n.Drain(t.Context()))
		for s := range senders {
			require.Len(t, l.got[s], each)
			for i, got := range l.got[s] {
				require.True(t, concurrent > 1 || got == i, "turns that run beside each other may end in another order")
			}
		}
	}
}

type lockedLedger struct {
	mu  sync.Mutex
	got map[int][]int
}

func (l *lockedLedger) Enter(_ context.Context, e entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[e.Sender] = append(l.got[e.Sender], e.Number)
	return nil
}

// What a worker has taken and not begun when its node ends or is replaced is answered at once, not after the method that runs.
func TestMessagesBehindARunningMethodAreAnsweredAtOnce(t *testing.T) {
	for name, end := range map[string]func(*actor.Node) error{
		"stopped":  func(n *actor.Node) error { go n.Stop(context.Background()); return actor.ErrStopped },
		"replaced": func(n *actor.Node) error { _, err := n.Replace(newGate()); return orGone(err) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "a")
				g := newGate()
				sys := c.systems["a"]
				n, err := sys.Spawn(actor.Spec{Key: "a/0", Value: g})
				require.NoError(t, err)
				ref := actor.NewRef[*gate](c.tables["a"], "a/0")
				var out [3]chan error
				for i := range out { // queued before the worker begins, so that it takes them together
					out[i] = make(chan error, 1)
					go func() { out[i] <- actor.Do(t.Context(), ref, (*gate).Hold, i) }()
					synctest.Wait()
				}
				require.NoError(t, n.Start(t.Context()))
				synctest.Wait()
				require.Equal(t, 2, n.Queued())
				why := end(n)
				synctest.Wait()
				require.ErrorIs(t, <-out[1], why)
				require.ErrorIs(t, <-out[2], why)
				close(g.open)
				<-out[0]
				synctest.Wait()
				require.NotContains(t, g.seen, 1)
				require.NotContains(t, g.seen, 2)
				require.NoError(t, n.Stop(t.Context()))
			})
		})
	}
}

func orGone(err error) error {
	if err != nil {
		return err
	}
	return actor.ErrPeerGone
}

// A context that a method leaves behind stays ended, whatever messages come after.
func TestAContextLeftBehindStaysEnded(t *testing.T) {
	c := newCluster(t, "a")
	var left []context.Context
	w := &witness{saw: func(ctx context.Context) error {
		for i, before := range left {
			require.ErrorIs(t, before.Err(), context.Canceled, "%d", i)
		}
		require.NoError(t, ctx.Err())
		if len(left)%3 == 2 { // some ask for the end, and have a context of package context
			child, stop := context.WithCancel(ctx)
			t.Cleanup(stop)
			left = append(left, child)
		}
		left = append(left, ctx)
		return nil
	}}
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: w})
	ref := actor.NewRef[*witness](c.tables["a"], "a/0")
	for range 20 {
		require.NoError(t, actor.Tell0(t.Context(), ref, (*witness).See))
	}
	require.NoError(t, n.Drain(t.Context()))
	require.Greater(t, len(left), 20)
	for _, ctx := range left {
		<-ctx.Done()
		require.ErrorIs(t, ctx.Err(), context.Canceled)
	}
}
