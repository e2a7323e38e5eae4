package collective_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

func TestGroupMistakes(t *testing.T) {
	table := actor.NewTable()
	ref := func(key string) actor.Ref[*worker] { return actor.NewRef[*worker](table, key) }
	require.ErrorIs(t, collective.Over(topology.Ring()).Seal(), topology.ErrEmpty)

	g := collective.Over(topology.Ring())
	collective.Join(g, ref("w/0"), &worker{}, "host1")
	collective.Join(g, ref("w/1"), &worker{}, "host2")
	collective.Join(g, ref("w/0"), &worker{}, "host3")
	err := g.Seal()
	require.ErrorIs(t, err, topology.ErrTwice)
	require.ErrorContains(t, err, "w/0 in places 0 and 2")

	g, twice := collective.Over(topology.Ring()), &worker{}
	collective.Join(g, ref("w/0"), twice, "host1")
	collective.Join(g, ref("w/1"), twice, "host2")
	collective.Join(g, actor.Ref[*worker]{}, &worker{}, "host2")
	err = g.Seal()
	require.ErrorIs(t, err, collective.ErrGroup)
	require.ErrorContains(t, err, "w/1 joins a second time")
	require.ErrorContains(t, err, "place 2 has a zero ref")
	require.Equal(t, -1, twice.Rank())
	require.Nil(t, twice.Shape())
	require.ErrorIs(t, collective.Barrier(t.Context(), twice), collective.ErrGroup)
}

func TestArguments(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Net(), 3, 3)
	g.do(func(ctx context.Context, w *worker) error {
		for name, err := range map[string]error{
			"root":           collective.Broadcast(ctx, w, 3, []byte{1}),
			"negative root":  collective.Reduce(ctx, w, -2, []int32{1}, collective.Sum),
			"no root":        collective.Broadcast(ctx, w, -1, []byte{1}),
			"gather":         collective.Gather(ctx, w, w.Rank(), []byte{1, 2}, make([]byte, 5)),
			"scatter":        collective.Scatter(ctx, w, w.Rank(), make([]byte, 5), []byte{1, 2}),
			"all-gather":     collective.AllGather(ctx, w, []byte{1}, make([]byte, 4)),
			"reduce-scatter": collective.ReduceScatter(ctx, w, make([]int64, 2), make([]int64, 1), collective.Sum),
			"all-to-all":     collective.AllToAll(ctx, w, make([]byte, 4), make([]byte, 4)),
			"no reduction":   collective.AllReduce[float32](ctx, w, nil, nil),
			"no function":    collective.AllReduce(ctx, w, []float32{1}, collective.By[float32](nil)),
			"chunk":          collective.Broadcast(ctx, w, 0, []byte{1}, collective.Chunk(12)),
			"large chunk":    collective.Broadcast(ctx, w, 0, []byte{1}, collective.Chunk(2*collective.MaxChunk)),
			"algorithm":      collective.Broadcast(ctx, w, 0, []byte{1}, collective.Using(99)),
		} {
			require.ErrorIs(t, err, collective.ErrArgument, name)
		}
		return collective.Barrier(ctx, w) // nothing was begun
	})
	ctx := t.Context()
	require.ErrorIs(t, collective.Barrier(ctx, g.workers[0]), collective.ErrGroup, "the context is no node's")
	g.do(func(ctx context.Context, w *worker) error {
		require.ErrorIs(t, collective.Barrier(ctx, g.workers[(w.Rank()+1)%3]), collective.ErrGroup, "the context is another's")
		return nil
	})
}

// fromMethod begins an operation in a method of the node.
func (w *worker) FromMethod(ctx context.Context) error { return collective.Barrier(ctx, w) }

func TestInAMethod(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Net(), 2, 2)
	g.do(func(ctx context.Context, w *worker) error {
		if w.Rank() == 1 {
			return nil
		}
		err := actor.Do0(ctx, actor.RefIn[*worker](ctx, "w/1"), (*worker).FromMethod)
		require.ErrorContains(t, err, "Concurrent(2)")
		return nil
	})
}

// Members that came to the same place with different operations: all hear of it, and who they are. Afterwards the group can be used.
func TestDisagreement(t *testing.T) {
	ctx0 := func(rank int) bool { return rank == 0 }
	for name, f := range map[string]func(ctx context.Context, w *worker) error{
		"lengths": func(ctx context.Context, w *worker) error {
			return collective.AllReduce(ctx, w, make([]float32, 10+w.Rank()/3), collective.Sum)
		},
		"types": func(ctx context.Context, w *worker) error {
			if w.Rank() == 2 {
				return collective.Broadcast(ctx, w, 0, make([]int32, 10))
			}
			return collective.Broadcast(ctx, w, 0, make([]float32, 10))
		},
		"everyone waits for another": func(ctx context.Context, w *worker) error {
			return collective.Broadcast(ctx, w, (w.Rank()+1)%4, make([]byte, 10))
		},
		"everyone sends": func(ctx context.Context, w *worker) error {
			return collective.Broadcast(ctx, w, w.Rank(), make([]byte, 1<<21))
		},
		"operations": func(ctx context.Context, w *worker) error {
			if ctx0(w.Rank()) {
				return collective.Reduce(ctx, w, 1, make([]float32, 10), collective.Sum)
			}
			return collective.AllReduce(ctx, w, make([]float32, 10), collective.Sum)
		},
		"reductions": func(ctx context.Context, w *worker) error {
			by := collective.By(larger[float64])
			if ctx0(w.Rank()) {
				by = collective.Sum
			}
			return collective.AllReduce(ctx, w, make([]float64, 10), by)
		},
		"order": func(ctx context.Context, w *worker) error {
			if ctx0(w.Rank()) {
				return errors.Join(collective.Barrier(ctx, w), collective.Broadcast(ctx, w, 1, []byte{1}))
			}
			return errors.Join(collective.Broadcast(ctx, w, 1, []byte{1}), collective.Barrier(ctx, w))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newTeam(t, actor.Config{}, topology.Tree(2), 4, 4)
			named := 0
			for rank, err := range g.all(f) {
				if err == nil {
					continue // it had all that it waited for, and was through
				}
				var d *collective.DisagreeError
				require.ErrorAs(t, err, &d, "member %d: %v", rank, err)
				require.NotEqual(t, d.OneDoes, d.OtherDoes)
				require.NotEqual(t, d.One, d.Other)
				named++
			}
			require.GreaterOrEqual(t, named, 2)
			g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
		})
	}
}

// Whoever gives up takes the others along, wherever they are in the operation, and says why.
func TestCancel(t *testing.T) {
	for rank := range 4 {
		g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
		late := (rank + 1) % 4
		var through sync.WaitGroup
		through.Add(3)
		for i, err := range g.all(func(ctx context.Context, w *worker) error {
			switch w.Rank() {
			case rank:
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				ctx = short
			case late:
				through.Wait() // and finds that the operation has ended before it came
				return collective.Barrier(ctx, w)
			}
			defer through.Done()
			return collective.Barrier(ctx, w)
		}) {
			require.ErrorIs(t, err, context.DeadlineExceeded, "member %d", i)
			require.Equal(t, i != rank, errors.Is(err, collective.ErrAborted), "member %d: %v", i, err)
		}
		g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
	}
}

// Members that have ended are left out of a broadcast: the others have everything, and the root hears who is missing.
func TestBroadcastWithoutTheDead(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789abcde"), 1<<17)
	for algo := range int(collective.Auto) { // which needs all members to measure
		g := newTeam(t, actor.Config{}, topology.Tree(2), 7, 7)
		dead := []int{1, 2, 5}
		for _, rank := range dead {
			require.NoError(t, g.nodes[rank].Stop(t.Context()))
		}
		errs := g.all(func(ctx context.Context, w *worker) error {
			if slices.Contains(dead, w.Rank()) {
				return nil
			}
			data := make([]byte, len(whole))
			if w.Rank() == 0 {
				copy(data, whole)
			}
			err := collective.Broadcast(ctx, w, 0, data, collective.Using(collective.Algorithm(algo)))
			if !bytes.Equal(whole, data) {
				t.Errorf("%v: member %d has something else", collective.Algorithm(algo), w.Rank())
			}
			return err
		})
		var missing *collective.MissingError
		require.ErrorAs(t, errs[0], &missing, "%v", collective.Algorithm(algo))
		require.Equal(t, []string{"w/1", "w/2", "w/5"}, missing.Members, "%v", collective.Algorithm(algo))
		for rank, err := range errs {
			if err != nil && !slices.Contains(dead, rank) {
				require.ErrorIs(t, err, collective.ErrMissing, "member %d", rank)
			}
		}
	}
}

// A member that ends in the middle of a broadcast is left out from there on.
func TestBroadcastGoesOn(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789abcde"), 1<<18)
	for _, victim := range []int{1, 2, 3} {
		g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
		begun := make(chan struct{})
		errs := g.all(func(ctx context.Context, w *worker) error {
			data := make([]byte, len(whole))
			switch w.Rank() {
			case 0:
				copy(data, whole)
			case victim:
				// It takes no part beyond what its window takes: the others wait for it.
				close(begun)
				<-ctx.Done()
				return nil
			}
			if w.Rank() == 0 {
				go func() {
					<-begun
					_ = g.nodes[victim].Stop(context.Background())
				}()
			}
			err := collective.Broadcast(ctx, w, 0, data)
			if !bytes.Equal(whole, data) {
				t.Errorf("member %d has something else", w.Rank())
			}
			return err
		})
		var missing *collective.MissingError
		require.ErrorAs(t, errs[0], &missing)
		require.Equal(t, []string{g.workers[0].Shape().Member(victim).Name}, missing.Members)
	}
}

// With NeedAll, operations end when a member is gone, at all others, and name it.
func TestNeedAll(t *testing.T) {
	for algo := range algorithms {
		g := newTeam(t, actor.Config{}, topology.Tree(2), 5, 5)
		require.NoError(t, g.nodes[3].Stop(t.Context()))
		for rank, err := range g.all(func(ctx context.Context, w *worker) error {
			if w.Rank() == 3 {
				return nil
			}
			return collective.AllReduce(ctx, w, make([]float32, 1000), collective.Sum, collective.Using(collective.Algorithm(algo)), collective.NeedAll())
		}) {
			var missing *collective.MissingError
			if rank != 3 {
				require.ErrorAs(t, err, &missing, "%v at %d", collective.Algorithm(algo), rank)
				require.Equal(t, []string{"w/3"}, missing.Members)
				require.False(t, missing.Whole)
			}
		}
	}
}

// Whether an operation goes on without members is a matter for all.
func TestNeedAllDisagree(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Chain(), 3, 3)
	for rank, err := range g.all(func(ctx context.Context, w *worker) error {
		var opts []collective.Option
		if w.Rank() == 1 {
			opts = append(opts, collective.NeedAll())
		}
		return collective.Barrier(ctx, w, opts...)
	}) {
		require.ErrorIs(t, err, collective.ErrDisagree, "member %d", rank)
	}
}
