package actor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

type peer struct {
	other   actor.Ref[*peer]
	entered chan<- struct{} // told that a turn has begun
	gate    <-chan struct{} // holds the turn
}

func (p *peer) Ask(ctx context.Context, depth int) error {
	if depth == 0 {
		return nil
	}
	if p.gate != nil {
		p.entered <- struct{}{}
		<-p.gate
	}
	return actor.Do(ctx, p.other, (*peer).Ask, depth-1)
}

func TestDeadlock(t *testing.T) {
	t.Run("itself", func(t *testing.T) {
		c := newCluster(t, "a")
		ref := actor.NewRef[*peer](c.tables["a"], "a/0")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &peer{other: ref}})
		err := actor.Do(t.Context(), ref, (*peer).Ask, 1)
		require.ErrorIs(t, err, actor.ErrDeadlock)
	})
	for name, homes := range map[string][2]string{"one process": {"a/0", "a/1"}, "two processes": {"a/0", "b/0"}} {
		t.Run("each other, "+name, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			for i, home := range homes {
				other := actor.NewRef[*peer](c.tables[home[:1]], homes[1-i])
				spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: &peer{other: other}})
			}
			first := actor.NewRef[*peer](c.tables["a"], homes[0])
			require.NoError(t, actor.Do(t.Context(), first, (*peer).Ask, 1))
			err := actor.Do(t.Context(), first, (*peer).Ask, 2)
			require.ErrorIs(t, err, actor.ErrDeadlock)
			require.NoError(t, actor.Do(t.Context(), first, (*peer).Ask, 1))
		})
		t.Run("crosswise, "+name, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			gate, entered := make(chan struct{}), make(chan struct{}, 2)
			var refs []actor.Ref[*peer]
			for i, home := range homes {
				other := actor.NewRef[*peer](c.tables[home[:1]], homes[1-i])
				spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: &peer{other: other, entered: entered, gate: gate}})
				refs = append(refs, actor.NewRef[*peer](c.tables["a"], home))
			}
			f1 := goDo(t, refs[0])
			f2 := goDo(t, refs[1])
			<-entered
			<-entered
			close(gate)
			e1, e2 := <-f1, <-f2
			require.True(t, errors.Is(e1, actor.ErrDeadlock) || errors.Is(e2, actor.ErrDeadlock), "%v, %v", e1, e2)
		})
	}
}

func goDo(t *testing.T, ref actor.Ref[*peer]) <-chan error {
	out := make(chan error, 1)
	go func() { out <- actor.Do(t.Context(), ref, (*peer).Ask, 1) }()
	return out
}

// relay passes a call on to the next of a ring or chain.
type relay struct{ next actor.Ref[*relay] }

func (r *relay) Pass(ctx context.Context, hops int) (int, error) {
	if hops == 0 {
		return 1, nil
	}
	n, err := actor.Call(ctx, r.next, (*relay).Pass, hops-1)
	return n + 1, err
}

func TestChainIsBounded(t *testing.T) {
	c := newCluster(t, "a", "b")
	const length = 20
	keys := make([]string, length)
	for i := range length {
		keys[i] = fmt.Sprintf("%c/%d", "ab"[i%2], i)
	}
	for i, key := range keys {
		next := actor.NewRef[*relay](c.tables[key[:1]], keys[(i+1)%length])
		spawn(t, c.systems[key[:1]], actor.Spec{Key: key, Value: &relay{next}})
	}
	first := actor.NewRef[*relay](c.tables["a"], keys[0])
	got, err := actor.Call(t.Context(), first, (*relay).Pass, 16)
	require.NoError(t, err)
	require.Equal(t, 17, got)
	_, err = actor.Call(t.Context(), first, (*relay).Pass, 17)
	require.ErrorIs(t, err, actor.ErrDeadlock)
}

// caller returns before those that it called call it back.
type caller struct {
	other actor.Ref[*callee]
	done  chan error
}

func (c *caller) Begin(ctx context.Context) error {
	f := actor.Go0(context.WithoutCancel(ctx), c.other, (*callee).CallBack)
	go func() { _, err := f.Wait(context.Background()); c.done <- err }()
	return nil
}

func (c *caller) Ping(context.Context) (int, error) { return 7, nil }

type pinger interface {
	Ping(context.Context) (int, error)
}

type callee struct {
	back    actor.Ref[pinger]
	entered chan struct{}
	open    chan struct{}
}

func (c *callee) CallBack(ctx context.Context) (int, error) {
	c.entered <- struct{}{}
	<-c.open
	return actor.Call0(ctx, c.back, pinger.Ping)
}

func TestNoDeadlockOnceTheFirstHasReturned(t *testing.T) {
	for _, home := range []string{"a/1", "b/0"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			first := &caller{actor.NewRef[*callee](c.tables["a"], home), make(chan error)}
			second := &callee{actor.As[pinger](actor.NewRef[*caller](c.tables[home[:1]], "a/0")), make(chan struct{}, 1), make(chan struct{})}
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: first})
			spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: second})
			require.NoError(t, actor.Do0(t.Context(), actor.NewRef[*caller](c.tables["a"], "a/0"), (*caller).Begin))
			<-second.entered
			close(second.open)
			require.NoError(t, <-first.done)
		})
	}
}

// A method that has returned waits for nobody, also while its result is still
// on the way to its sender.
func TestNoDeadlockWhileTheResultIsHandedOver(t *testing.T) {
	for name, give := range map[string]func(context.Context, actor.Ref[*giver]) error{
		"call": func(ctx context.Context, r actor.Ref[*giver]) error {
			_, err := actor.Call(ctx, r, (*giver).Give, 1)
			return err
		},
		"batch": func(ctx context.Context, r actor.Ref[*giver]) error {
			_, err := actor.CallBatched(ctx, r, (*giver).GiveAll, 1)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "a")
				first := &giver{
					caller:  caller{actor.NewRef[*callee](c.tables["a"], "a/1"), make(chan error, 1)},
					encoded: make(chan struct{}),
				}
				second := &callee{actor.As[pinger](actor.NewRef[*giver](c.tables["a"], "a/0")), make(chan struct{}, 1), make(chan struct{})}
				spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: first, Batches: []actor.Batch{actor.Batched((*giver).GiveAll, 1, 0)}})
				spawn(t, c.systems["a"], actor.Spec{Key: "a/1", Value: second})
				given := make(chan error, 1)
				go func() { given <- give(t.Context(), actor.NewRef[*giver](c.tables["a"], "a/0")) }()
				<-second.entered
				synctest.Wait() // the method has returned, and its result is being encoded
				close(second.open)
				synctest.Wait()
				close(first.encoded)
				require.NoError(t, <-first.done)
				require.NoError(t, <-given)
			})
		})
	}
}

// giver returns a result that takes its time.
type giver struct {
	caller
	encoded chan struct{}
}

func (g *giver) Give(ctx context.Context, _ int) (late, error) { return late{g.encoded}, g.Begin(ctx) }

func (g *giver) GiveAll(ctx context.Context, _ []int) ([]late, error) {
	return []late{{g.encoded}}, g.Begin(ctx)
}

type late struct{ until chan struct{} }

func (l late) MarshalText() ([]byte, error) { <-l.until; return nil, nil }
func (*late) UnmarshalText([]byte) error    { return nil }

func TestSlowCalleeIsNoDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a", "b")
		spawn(t, c.systems["b"], actor.Spec{Key: "b/0", Value: sleeper{}})
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &asker{actor.NewRef[sleeper](c.tables["a"], "b/0")}})
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				require.NoError(t, actor.Do0(t.Context(), actor.NewRef[*asker](c.tables["a"], "a/0"), (*asker).Ask))
			})
		}
		group.Wait()
		require.Zero(t, c.systems["a"].Stats().Deadlocks)
	})
}

type sleeper struct{}

func (sleeper) Sleep(context.Context) error { time.Sleep(time.Minute); return nil } // of the bubble
type asker struct{ other actor.Ref[sleeper] }

func (a *asker) Ask(ctx context.Context) error { return actor.Do0(ctx, a.other, sleeper.Sleep) }

// With several turns, a node may be called back while one is free.
func TestDeadlockWithSeveralTurns(t *testing.T) {
	for _, home := range []string{"a/1", "b/0"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			opened := make(chan struct{})
			close(opened)
			wire := func(key, other string, limit int) {
				p := &peer{other: actor.NewRef[*peer](c.tables[key[:1]], other), entered: make(chan struct{}, 9), gate: opened}
				spawn(t, c.systems[key[:1]], actor.Spec{Key: key, Value: p, Concurrent: limit})
			}
			wire("a/0", home, 2)
			wire(home, "a/0", 1)
			ref := actor.NewRef[*peer](c.tables["a"], "a/0")
			require.NoError(t, actor.Do(t.Context(), ref, (*peer).Ask, 2))
			require.ErrorIs(t, actor.Do(t.Context(), ref, (*peer).Ask, 3), actor.ErrDeadlock)
		})
	}
}

// A cycle that closes while a call waits for room is found as well.
func TestDeadlockWhileWaitingForRoom(t *testing.T) {
	for name, homes := range map[string][2]string{"one process": {"a/0", "a/1"}, "two processes": {"a/0", "b/0"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClusterWith(t, actor.Config{Window: 2}, "a", "b")
				open := make(chan struct{})
				var refs []actor.Ref[*peer]
				for i, home := range homes {
					other := actor.NewRef[*peer](c.tables[home[:1]], homes[1-i])
					spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Capacity: 1, Value: &peer{other: other, entered: make(chan struct{}, 9), gate: open}})
					refs = append(refs, other)
				}
				out := make(chan error, 2)
				for _, r := range refs {
					go func() { out <- actor.Do(t.Context(), r, (*peer).Ask, 1) }()
				}
				synctest.Wait()
				for _, r := range refs { // fill mailbox and window
					go func() { _ = actor.Tell(t.Context(), r, (*peer).Ask, 0) }()
					go func() { _ = actor.Tell(t.Context(), r, (*peer).Ask, 0) }()
				}
				synctest.Wait()
				close(open)
				e1, e2 := <-out, <-out
				require.True(t, errors.Is(e1, actor.ErrDeadlock) || errors.Is(e2, actor.ErrDeadlock), "%v, %v", e1, e2)
				synctest.Wait()
			})
		})
	}
}

// A node's first turn comes after its Start, which therefore cannot wait for one.
func TestStartThatWaitsForItsOwnNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		self := actor.NewRef[*beginner](c.tables["a"], "a/0")
		b := &beginner{}
		b.begin = func(ctx context.Context) error {
			require.ErrorIs(t, actor.Do0(ctx, self, (*beginner).Note), actor.ErrDeadlock)
			_, err := actor.GoDo0(ctx, self, (*beginner).Note).Wait(ctx)
			require.ErrorIs(t, err, actor.ErrDeadlock)
			require.NoError(t, actor.Turn(ctx, func(context.Context) error { return nil }), "it is Start's turn")
			require.Zero(t, b.notes)
			return actor.Tell0(ctx, self, (*beginner).Note) // waits for nothing
		}
		n, err := c.systems["a"].Spawn(actor.Spec{Key: "a/0", Value: b})
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context()))
		require.NoError(t, actor.Do0(t.Context(), self, (*beginner).Note))
		require.Equal(t, 2, b.notes)
	})
}

// Two that wait for each other's first turn are told so, wherever they live and however many methods they run at once.
func TestStartsThatWaitForEachOther(t *testing.T) {
	for _, other := range []string{"a/1", "b/0"} {
		for _, limit := range []int{1, 3} {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "a", "b")
				keys := []string{"a/0", other}
				errs := make(chan error, 2)
				var nodes []*actor.Node
				for i, key := range keys {
					home := key[:1]
					b := &beginner{begin: func(ctx context.Context) error {
						return actor.Do0(ctx, actor.NewRef[*beginner](c.tables[home], keys[1-i]), (*beginner).Note)
					}}
					n, err := c.systems[home].Spawn(actor.Spec{Key: key, Value: b, Concurrent: limit})
					require.NoError(t, err)
					nodes = append(nodes, n)
				}
				for _, n := range nodes { // when there are all: nobody is told that the other is not there
					go func() { errs <- n.Start(t.Context()) }()
				}
				// One is found out and does not open; what the other waits for then ends with that node.
				require.ErrorIs(t, <-errs, actor.ErrDeadlock)
				for _, s := range c.systems {
					require.NoError(t, s.Close(t.Context()))
				}
				<-errs
			})
		}
	}
}

type beginner struct {
	begin func(context.Context) error
	notes int
}

func (b *beginner) Start(ctx context.Context) error { return b.begin(ctx) }
func (b *beginner) Note(context.Context) error      { b.notes++; return nil }
