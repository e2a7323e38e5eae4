package collective_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

var (
	note    = collective.NewNotice((*worker).Note)
	ranks   = collective.NewQuestion((*worker).Ranks, func(a, b []int) []int { return append(a, b...) })
	through = collective.NewQuestionBy((*worker).Ranks, (*worker).Through)
	nobody  = collective.NewQuestion(stranger.Ranks, func(a, b []int) []int { return append(a, b...) })
)

// stranger is what no worker is.
type stranger interface {
	Ranks(context.Context, int) ([]int, error)
	Strange()
}

// notes are what the workers of a test were told, and how often they were asked.
type notes struct {
	mu    sync.Mutex
	told  map[int][]int
	asked map[int]int
	fail  map[int]error
	hold  map[int]bool // until its context ends
}

func newNotes() *notes {
	return &notes{told: map[int][]int{}, asked: map[int]int{}, fail: map[int]error{}, hold: map[int]bool{}}
}

// to is what a worker was told, and how often it was asked.
func (n *notes) to(rank int) (told []int, asked int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.told[rank]), n.asked[rank]
}

func (w *worker) Note(_ context.Context, n int) error {
	w.notes.mu.Lock()
	defer w.notes.mu.Unlock()
	w.notes.told[w.Rank()] = append(w.notes.told[w.Rank()], n)
	return nil
}

func (w *worker) Ranks(ctx context.Context, n int) ([]int, error) {
	w.notes.mu.Lock()
	w.notes.asked[w.Rank()]++
	err, hold := w.notes.fail[w.Rank()], w.notes.hold[w.Rank()]
	w.notes.mu.Unlock()
	if hold {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []int{w.Rank() + n}, err
}

// Through puts a member's own result in front of the others', less 1000.
func (w *worker) Through(_ context.Context, all [][]int) ([]int, error) {
	return append([]int{-1000 - w.Rank()}, slices.Concat(all...)...), nil
}

func newNotedTeam(t *testing.T, kind topology.Kind, n, hosts int) (*team, *notes) {
	g, all := newTeam(t, actor.Config{Encode: true}, kind, n, hosts), newNotes()
	for _, w := range g.workers {
		w.notes = all
	}
	return g, all
}

// as runs f as one member.
func (g *team) as(rank int, f func(ctx context.Context, w *worker)) {
	require.NoError(g.t, g.runAs(rank, func(ctx context.Context) error { f(ctx, g.workers[rank]); return nil }))
}

var shapes = []topology.Kind{topology.Star(), topology.Tree(2), topology.Chain(), topology.Ring(), topology.Net()}

func TestAskAll(t *testing.T) {
	for _, kind := range shapes {
		for _, n := range []int{1, 2, 9} {
			for _, from := range []int{0, n - 1} {
				g, _ := newNotedTeam(t, kind, n, max(1, n-3))
				g.as(from, func(ctx context.Context, w *worker) {
					var others []int
					for rank := range n {
						if rank != from {
							others = append(others, rank+100)
						}
					}
					for range 2 {
						reply, err := ranks.Ask(ctx, w, 100)
						require.NoError(t, err)
						require.Equal(t, n-1, reply.Answered)
						require.ElementsMatch(t, others, reply.Value)
						require.Empty(t, reply.Missing)
					}
					reply, err := nobody.Ask(ctx, w, 1)
					require.NoError(t, err, "nobody has a part in it")
					require.Zero(t, reply.Answered)
				})
			}
		}
	}
}

// The seed's middle consumers: a method of each member with others below it puts results together.
func TestAskBy(t *testing.T) {
	g, _ := newNotedTeam(t, topology.Tree(2), 7, 7)
	g.as(0, func(ctx context.Context, w *worker) {
		reply, err := through.Ask(ctx, w, 0)
		require.NoError(t, err)
		require.Equal(t, 6, reply.Answered)
		require.Equal(t, []int{-1000, -1001, 1, -1003, 3, -1004, 4, -1002, 2, -1005, 5, -1006, 6}, reply.Value)
	})
}

func TestTellAll(t *testing.T) {
	for _, kind := range shapes {
		g, all := newNotedTeam(t, kind, 9, 6)
		g.as(4, func(ctx context.Context, w *worker) {
			for i := range 50 {
				require.NoError(t, note.Tell(ctx, w, i))
			}
		})
		want := make([]int, 50)
		for i := range want {
			want[i] = i
		}
		for rank := range 9 {
			if rank == 4 {
				told, _ := all.to(rank)
				require.Empty(t, told)
				continue
			}
			require.Eventually(t, func() bool {
				told, _ := all.to(rank)
				return slices.Equal(want, told)
			}, patience, time.Millisecond, "%v, member %d", kind, rank)
		}
	}
}

func TestPartialReplies(t *testing.T) {
	synctest.Test(t, partialReplies)
}

func partialReplies(t *testing.T) {
	g, all := newNotedTeam(t, topology.Tree(2), 7, 7) // 0 over 1, 2; 1 over 3, 4; 2 over 5, 6
	broken := errors.New("broken")
	all.fail[1], all.hold[5] = broken, true
	g.as(0, func(ctx context.Context, w *worker) {
		reply, err := ranks.Ask(ctx, w, 0, collective.AtLeast(5), collective.Within(6*time.Second)) // of which leaves have a third
		var partial *collective.PartialError
		require.ErrorAs(t, err, &partial)
		require.Equal(t, 5, partial.Needed)
		require.Equal(t, 4, partial.Answered)
		require.Equal(t, partial.Missing, reply.Missing)
		require.Equal(t, []int{3, 4, 2, 6}, reply.Value)
		require.Len(t, reply.Missing, 2)
		require.Equal(t, "w/1", reply.Missing[0].Member)
		require.ErrorContains(t, reply.Missing[0].Err, "broken")
		require.Equal(t, "w/5", reply.Missing[1].Member)
		require.ErrorIs(t, reply.Missing[1].Err, context.DeadlineExceeded)

		reply, err = ranks.Ask(ctx, w, 0, collective.AtLeast(2), collective.Within(patience))
		require.NoError(t, err)
		require.Equal(t, []int{3, 4}, reply.Value, "the other branch has not answered")

		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, err = ranks.Ask(short, w, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		all.mu.Lock()
		all.hold[5] = false
		all.mu.Unlock()
		reply, err = ranks.Ask(ctx, w, 0, collective.Within(patience))
		require.NoError(t, err, "one is enough")
		require.Equal(t, []int{3, 4, 2, 5, 6}, reply.Value)
		require.Len(t, reply.Missing, 1)

		for _, bad := range [][]collective.AskOption{{collective.AtLeast(7)}, {collective.AtLeast(-1)}, {collective.Within(-1)}} {
			_, err = ranks.Ask(ctx, w, 0, bad...)
			require.ErrorIs(t, err, collective.ErrArgument)
		}
	})
	_, err := ranks.Ask(t.Context(), g.workers[0], 0)
	require.ErrorIs(t, err, collective.ErrGroup)
	require.ErrorIs(t, note.Tell(t.Context(), &worker{}, 0), collective.ErrGroup)
}

// Members below one that has ended are reached all the same, once.
func TestRoutesAroundTheDead(t *testing.T) {
	g, all := newNotedTeam(t, topology.Chain(), 6, 6)
	for _, dead := range []int{1, 3, 4} {
		require.NoError(t, g.nodes[dead].Stop(t.Context()))
	}
	g.as(0, func(ctx context.Context, w *worker) {
		reply, err := ranks.Ask(ctx, w, 0)
		var partial *collective.PartialError
		require.ErrorAs(t, err, &partial)
		require.ErrorIs(t, err, actor.ErrStopped)
		require.Equal(t, []int{2, 5}, reply.Value)
		require.Len(t, reply.Missing, 3)
		require.NoError(t, note.Tell(ctx, w, 7))
	})
	for _, rank := range []int{2, 5} {
		require.Eventually(t, func() bool {
			told, asked := all.to(rank)
			return slices.Equal([]int{7}, told) && asked == 1
		}, patience, time.Millisecond)
	}
}

func TestLinks(t *testing.T) {
	g, _ := newNotedTeam(t, topology.Tree(2), 5, 5)
	g.as(1, func(ctx context.Context, w *worker) {
		up, ok := collective.ParentOf[*worker](ctx, w)
		require.True(t, ok)
		require.Equal(t, "w/0", up.Key())
		for i, ref := range collective.ChildrenOf[*worker](ctx, w) {
			got, err := actor.Call(ctx, ref, (*worker).Ranks, 0)
			require.NoError(t, err)
			require.Equal(t, []int{3 + i}, got)
		}
		require.Len(t, collective.PeersOf[*worker](ctx, w), 3)
		alone := &worker{}
		_, ok = collective.ParentOf[*worker](ctx, alone)
		require.False(t, ok)
		require.Empty(t, collective.ChildrenOf[*worker](ctx, alone))
		require.Empty(t, collective.PeersOf[*worker](ctx, alone))
	})
	g.as(0, func(ctx context.Context, w *worker) {
		_, ok := collective.ParentOf[*worker](ctx, w)
		require.False(t, ok)
	})
}

// above makes a question of a literal, which has one name whatever is around it.
func above(n int) *collective.Question[*worker, int, int] {
	return collective.NewQuestion((*worker).Rank2, func(a, b int) int {
		if a > n || b > n {
			return max(a, b)
		}
		return min(a, b)
	})
}

// Rank2 is the member's rank, and a number.
func (w *worker) Rank2(_ context.Context, n int) (int, error) { return w.Rank() + n, nil }

var above0, above9 = above(0), above(9)

// A nil function is found where it is used: where it was given, in a package-level variable, there is nobody to hear of it.
func TestNilFunctions(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Star(), 2, 2)
	notice := collective.NewNotice[*worker, int](nil)
	questions := []*collective.Question[*worker, int, int]{
		collective.NewQuestion[*worker, int, int](nil, func(a, b int) int { return a + b }),
		collective.NewQuestion((*worker).Rank2, nil),
		collective.NewQuestionBy[*worker, *worker, int](nil, func(*worker, context.Context, []int) (int, error) { return 0, nil }),
		collective.NewQuestionBy[*worker, *worker]((*worker).Rank2, nil),
	}
	g.do(func(ctx context.Context, w *worker) error {
		require.ErrorIs(t, notice.Tell(ctx, w, 1), collective.ErrArgument)
		for i, q := range questions {
			_, err := q.Ask(ctx, w, 1)
			require.ErrorIs(t, err, collective.ErrArgument)
			require.ErrorContains(t, err, fmt.Sprintf("in place %d", 1+i%2))
		}
		return nil
	})
}

// Two questions of one literal with other variables around it are two.
func TestQuestionsOfOneLiteral(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Chain(), 3, 3)
	g.do(func(ctx context.Context, w *worker) error {
		if w.Rank() > 0 {
			return nil
		}
		largest, err := above0.Ask(ctx, w, 1)
		require.NoError(t, err)
		require.Equal(t, 3, largest.Value)
		smallest, err := above9.Ask(ctx, w, 1)
		require.NoError(t, err)
		require.Equal(t, 2, smallest.Value)
		return nil
	})
}
