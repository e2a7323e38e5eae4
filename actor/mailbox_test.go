package actor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestTellKeepsOrder(t *testing.T) {
	for _, from := range []string{"a", "b"} {
		t.Run("from "+from, func(t *testing.T) {
			c := newCluster(t, "a", "b")
			l := &listNode{done: make(chan struct{}), want: 20000}
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l})
			ref := actor.NewRef[*listNode](c.tables[from], "a/0")
			for i := range l.want {
				require.NoError(t, actor.Tell(t.Context(), ref, (*listNode).Put, i))
			}
			<-l.done
			require.True(t, l.ordered)
		})
	}
}

type listNode struct {
	want, next int
	ordered    bool
	done       chan struct{}
}

func (l *listNode) Put(_ context.Context, i int) error {
	if i != l.next {
		close(l.done)
	}
	l.next++
	if l.next == l.want {
		l.ordered = true
		close(l.done)
	}
	return nil
}

// TestMailboxAgainstOracle sends from several senders at random and compares
// with a plain list for each: nothing lost, nothing twice, each in order.
func TestMailboxAgainstOracle(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			c := newClusterWith(t, actor.Config{Window: 1 + r.IntN(20)}, "a", "b")
			l := &ledger{got: map[int][]int{}}
			n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l, Capacity: 1 + r.IntN(10)})
			var group sync.WaitGroup
			var mu sync.Mutex
			want := map[int][]int{}
			for sender := range 6 {
				ref := actor.NewRef[*ledger](c.tables[[]string{"a", "b"}[sender%2]], "a/0")
				dice := rand.New(rand.NewPCG(seed, uint64(sender)+2))
				group.Go(func() {
					var sent []int
					for i := range 150 {
						e := entry{sender, i}
						var err error
						switch ctx, cancel := t.Context(), context.CancelFunc(nil); dice.IntN(4) {
						case 0:
							err = actor.Do(ctx, ref, (*ledger).Enter, e)
						case 1: // may come too late, and then must not be there
							ctx, cancel = context.WithTimeout(ctx, time.Duration(dice.IntN(50))*time.Microsecond)
							err = actor.Tell(ctx, ref, (*ledger).Enter, e)
							cancel()
						default:
							err = actor.Tell(ctx, ref, (*ledger).Enter, e)
						}
						if err == nil {
							sent = append(sent, i)
						}
					}
					mu.Lock()
					want[sender] = sent
					mu.Unlock()
				})
			}
			group.Wait()
			for sender := range 6 { // what came before on the same way has arrived
				ref := actor.NewRef[*ledger](c.tables[[]string{"a", "b"}[sender%2]], "a/0")
				require.NoError(t, actor.Do(t.Context(), ref, (*ledger).Enter, entry{-1, 0}))
			}
			require.NoError(t, n.Drain(t.Context()))
			delete(l.got, -1)
			require.Equal(t, want, l.got)
			require.Zero(t, n.Queued())
		})
	}
}

type entry struct{ Sender, Number int }

type ledger struct{ got map[int][]int }

func (l *ledger) Enter(_ context.Context, e entry) error {
	l.got[e.Sender] = append(l.got[e.Sender], e.Number)
	return nil
}

func TestFullMailboxWaitsUnderContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		g := newGate()
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g, Capacity: 2})
		ref := actor.NewRef[*gate](c.tables["a"], "a/0")
		for i := range 3 { // one in its turn
			require.NoError(t, actor.Tell(t.Context(), ref, (*gate).Hold, i))
			synctest.Wait()
		}
		require.Equal(t, 2, n.Queued())
		out := make(chan error, 3)
		for i := 3; i < 5; i++ {
			go func() { out <- actor.Tell(t.Context(), ref, (*gate).Hold, i) }()
			synctest.Wait()
		}
		why := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- actor.Tell(ctx, ref, (*gate).Hold, 99) }()
		synctest.Wait()
		cancel(why)
		err := <-gone
		require.ErrorIs(t, err, actor.ErrOverloaded)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, actor.Tell(ctx, ref, (*gate).Hold, 99), context.Canceled)
		close(g.open)
		synctest.Wait()
		require.NoError(t, <-out)
		require.NoError(t, <-out)
		require.Equal(t, []int{0, 1, 2, 3, 4}, g.seen)
	})
}

// Messages over links hold window: they do not take the room of senders of
// the same process.
func TestRemoteSendersDoNotStarveLocalOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, actor.Config{Window: 50}, "a", "b")
		g := newGate()
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g, Capacity: 2})
		for i := range 20 {
			require.NoError(t, actor.Tell(t.Context(), actor.NewRef[*gate](c.tables["b"], "a/0"), (*gate).Hold, i))
		}
		synctest.Wait()
		local := actor.NewRef[*gate](c.tables["a"], "a/0")
		for i := range 2 {
			require.NoError(t, actor.Tell(t.Context(), local, (*gate).Note, 100+i))
		}
		close(g.open)
		synctest.Wait()
		require.Len(t, g.seen, 22)
	})
}

// pusher tells until its neighbour is full.
type pusher struct{ to actor.Ref[*gate] }

func (p *pusher) Push(ctx context.Context) error {
	for i := 0; ; i++ {
		if err := actor.Tell(ctx, p.to, (*gate).Hold, i); err != nil {
			return err
		}
	}
}

func TestTellInAMethodGivesUp(t *testing.T) {
	for _, home := range []string{"a", "b"} {
		synctest.Test(t, func(t *testing.T) {
			c := newClusterWith(t, actor.Config{Window: 4}, "a", "b")
			g := newGate()
			spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g, Capacity: 4})
			spawn(t, c.systems[home], actor.Spec{Key: home + "/1", Value: &pusher{actor.NewRef[*gate](c.tables[home], "a/0")}})
			ref := actor.NewRef[*pusher](c.tables["a"], home+"/1")
			begin := time.Now()
			err := actor.Do0(t.Context(), ref, (*pusher).Push)
			require.Equal(t, 30*time.Second, time.Since(begin))
			require.ErrorIs(t, err, actor.ErrOverloaded)
			require.ErrorContains(t, err, home+"/1 → a/0")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // its own limit counts
			defer cancel()
			require.Error(t, actor.Do0(ctx, ref, (*pusher).Push))
			require.Equal(t, 90*time.Second, time.Since(begin))
			synctest.Wait() // until the method has heard of its end, which is another timer: else it would go on with the gate open
			close(g.open)
			synctest.Wait()
		})
	}
}
