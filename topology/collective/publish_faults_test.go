package collective_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Readers come and go, and one dies for good, while versions are published without a pause. Who reads sees whole versions, ever newer, and who is there at the
// end the last one.
func TestPublishToReadersThatComeAndGo(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { comeAndGo(t, seed) })
		})
	}
}

func comeAndGo(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	names := []string{"star", "tree", "chain", "net"}
	members, hosts := 3+r.IntN(5), 1+r.IntN(6)
	g := newTeam(t, actor.Config{}, kinds[names[r.IntN(len(names))]], members, hosts)
	dead := 1 + r.IntN(members-1)
	var last sync.WaitGroup // who reads to the end
	last.Add(members - 2)
	errs := g.all(func(ctx context.Context, w *worker) error {
		r := rand.New(rand.NewPCG(seed, 10+uint64(w.Rank())))
		switch w.Rank() {
		case 0:
			return publishUntil(ctx, w, r, &last)
		case dead:
			return readAndDie(ctx, g, w, r)
		}
		if r.IntN(3) == 0 { // what comes waits for its turn
			defer w.holdOn(ctx, time.Duration(1+r.IntN(10))*time.Millisecond)()
		}
		return readNowAndThen(ctx, w, r, &last)
	})
	for rank, err := range errs {
		if rank != dead {
			require.NoError(t, err, "member %d", rank)
		}
	}
}

func readNowAndThen(ctx context.Context, w *worker, r *rand.Rand, last *sync.WaitGroup) error {
	for number := uint64(0); ; {
		reader, err := collective.NewReader(ctx, w, 0, "weights")
		if err != nil {
			return err
		}
		for range r.IntN(4) {
			v, err := reader.Next(ctx, number)
			if err != nil {
				return err
			}
			if _, err := whole(v); err != nil {
				return err
			}
			number = v.Number
		}
		if r.IntN(4) == 0 {
			_, err := reader.Next(ctx, number)
			last.Done()
			if err == nil {
				_, _, err = readAll(ctx, reader)
			}
			return errors.Join(err, reader.Close(ctx))
		}
		if err := reader.Close(ctx); err != nil {
			return err
		}
	}
}

// holdOn takes the node's turn again and again, for so long each time, until the function that it returns is called.
func (w *worker) holdOn(ctx context.Context, d time.Duration) (stop func()) {
	w.hold = func() { time.Sleep(d) }
	ctx, cancel := context.WithCancel(ctx)
	self := actor.RefIn[*worker](ctx, actor.Self(ctx))
	var group sync.WaitGroup
	group.Go(func() {
		for actor.Do0(ctx, self, (*worker).Hold) == nil {
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

func publishUntil(ctx context.Context, w *worker, r *rand.Rand, last *sync.WaitGroup) error {
	p, err := collective.NewPublisher(ctx, w, "weights")
	if err != nil {
		return err
	}
	var done atomic.Bool
	go func() { last.Wait(); done.Store(true) }()
	for n := uint64(1); !done.Load(); n++ {
		if _, err := p.Publish(weights(n, 1_500_000)); err != nil {
			return err
		}
		select {
		case <-time.After(time.Duration(r.IntN(60)) * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// The one that is dead may be waited for.
	short, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	return p.Close(short)
}

func readAndDie(ctx context.Context, g *team, w *worker, r *rand.Rand) error {
	reader, err := collective.NewReader(ctx, w, 0, "weights")
	if err != nil {
		return err
	}
	number := uint64(0)
	for range r.IntN(5) {
		v, err := reader.Next(ctx, number)
		if err != nil {
			return err
		}
		number = v.Number
	}
	go func() { _ = g.nodes[w.Rank()].Stop(context.Background()) }()
	<-ctx.Done()
	return ctx.Err()
}

// A publisher that was started again goes on from the number that its readers know, and a reader that was has the newest version of another.
func TestPublishStartedAgain(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
	again := g.again(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	run := func(w *worker, do func(context.Context) error) {
		group.Go(func() {
			select {
			case w.tasks <- task{do, make(chan error, 1)}: // it ends with the node
			case <-ctx.Done():
			}
		})
	}
	versions := make([]chan uint64, 4)
	read := func(w *worker) func(context.Context) error {
		return func(ctx context.Context) error {
			r, err := collective.NewReader(ctx, w, 0, "weights")
			require.NoError(t, err)
			for number := uint64(0); ; {
				v, err := r.Next(ctx, number)
				if err != nil {
					return err
				}
				n, err := whole(v)
				if err != nil || v.Number <= number {
					return fmt.Errorf("version %d with %d after %d: %w", v.Number, n, number, err)
				}
				number = v.Number
				versions[w.Rank()] <- n
			}
		}
	}
	for rank := 1; rank < 4; rank++ {
		versions[rank] = make(chan uint64, 100)
		run(g.workers[rank], read(g.workers[rank]))
	}
	await := func(rank int, n uint64) {
		for {
			select {
			case got := <-versions[rank]:
				if got == n {
					return
				}
			case <-ctx.Done():
				require.FailNow(t, "no version", "%d at %d", n, rank)
			}
		}
	}
	publish := func(w *worker, first, to uint64) func(context.Context) error {
		return func(ctx context.Context) error {
			p, err := collective.NewPublisher(ctx, w, "weights")
			require.NoError(t, err)
			for n := first; n <= to; n++ {
				_, err := p.Publish(weights(n, 300_000))
				require.NoError(t, err)
			}
			<-ctx.Done()
			return nil
		}
	}
	replace := func(rank int) *worker {
		old := g.nodes[rank]
		next, err := old.Replace(again[rank])
		require.NoError(t, err)
		require.NoError(t, old.Stop(ctx))
		require.NoError(t, next.Start(ctx))
		group.Go(func() { _ = next.Run(ctx) })
		return again[rank]
	}
	run(g.workers[0], publish(g.workers[0], 1, 9))
	for rank := 1; rank < 4; rank++ {
		await(rank, 9)
	}
	run(replace(0), publish(again[0], 10, 11))
	for rank := 1; rank < 4; rank++ {
		await(rank, 11)
	}
	run(replace(2), read(again[2]))
	await(2, 11)
	cancel()
}

// again is values like those of the team's workers, for nodes that are started again.
func (g *team) again(t *testing.T) []*worker {
	shape := g.workers[0].Shape()
	group := collective.Over(shape.Kind())
	var all []*worker
	for _, m := range shape.Members() {
		w := &worker{tasks: make(chan task)}
		collective.Join(group, actor.NewRef[*worker](g.table, m.Name), w, m.Host)
		all = append(all, w)
	}
	require.NoError(t, group.Seal())
	return all
}

// A publisher with twice as much as a reader can take: what goes to it is whole versions, each once or a little more; and the newest there was when it began to go.
func TestPublishFasterThanTheLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			size     = 8 << 20
			turn     = 20 * time.Millisecond // in which the slow reader takes a window of 1 MiB
			interval = 80 * time.Millisecond
			rounds   = 30
		)
		g := newTeam(t, actor.Config{}, topology.Star(), 3, 3)
		const slow = 2
		var published atomic.Uint64
		var sent uint64
		seen := map[int]int{}
		var mu sync.Mutex
		g.do(func(ctx context.Context, w *worker) error {
			if w.Rank() == 0 {
				p, err := collective.NewPublisher(ctx, w, "weights")
				require.NoError(t, err)
				for n := uint64(1); n <= rounds; n++ {
					body := make([]byte, size)
					body[0] = byte(n)
					for i := range size / 4096 {
						body[i*4096+1] = byte(n)
					}
					_, err := p.Publish(map[string]tensor.Tensor{"body": tensor.Of(body)})
					require.NoError(t, err)
					published.Store(n)
					time.Sleep(interval)
				}
				err = p.Close(ctx)
				sent = p.Stats().SentBytes
				return err
			}
			if w.Rank() == slow {
				defer w.holdOn(ctx, turn)()
			}
			r, err := collective.NewReader(ctx, w, 0, "weights")
			require.NoError(t, err)
			for number := uint64(0); ; {
				v, err := r.Next(ctx, number)
				if err != nil {
					require.ErrorIs(t, err, collective.ErrEnded)
					break
				}
				if behind := int(published.Load() - v.Number); w.Rank() != slow {
					require.LessOrEqual(t, behind, 1, "nobody waits for the slow one")
				} else {
					require.LessOrEqual(t, behind, 4)
				}
				number = v.Number
				mu.Lock()
				seen[w.Rank()]++
				mu.Unlock()
			}
			return r.Close(ctx)
		})
		t.Logf("versions: %v; sent %d MiB", seen, sent>>20)
		require.GreaterOrEqual(t, seen[1], rounds-2)
		require.Greater(t, seen[slow], rounds/8)
		require.Less(t, seen[slow], rounds)
		copies := float64(sent)/size - float64(seen[1])
		require.LessOrEqual(t, copies, 1.2*float64(seen[slow]))
	})
}

// What a publication holds is free when its context is over, and the member can begin anew.
func TestPublishCancelled(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Chain(), 3, 3)
	var first, cancelled, second sync.WaitGroup
	first.Add(2)
	cancelled.Add(1)
	second.Add(2)
	g.do(func(ctx context.Context, w *worker) error {
		short, cancel := context.WithCancel(ctx)
		defer cancel()
		if w.Rank() == 0 {
			p, err := collective.NewPublisher(ctx, w, "weights")
			require.NoError(t, err)
			_, err = p.Publish(weights(1, 1<<20))
			require.NoError(t, err)
			cancelled.Wait()
			_, err = p.Publish(weights(2, 1<<20))
			require.NoError(t, err)
			second.Wait()
			return p.Close(ctx)
		}
		r, err := collective.NewReader(short, w, 0, "weights")
		require.NoError(t, err)
		_, err = collective.NewReader(short, w, 0, "weights")
		require.ErrorIs(t, err, collective.ErrBusy)
		_, err = r.Latest(ctx)
		require.NoError(t, err)
		first.Done()
		if w.Rank() == 1 { // through which the other reads
			first.Wait()
			cancel()
			_, err = r.Next(ctx, 1)
			require.ErrorIs(t, err, collective.ErrEnded)
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, r.Close(ctx))
			r, err = collective.NewReader(ctx, w, 0, "weights")
			require.NoError(t, err)
			cancelled.Done()
		}
		v, err := r.Next(ctx, 1)
		require.NoError(t, err)
		n, err := whole(v)
		require.NoError(t, err)
		require.Equal(t, uint64(2), n)
		second.Done()
		return r.Close(ctx)
	})
}

func TestPublishMistakes(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Star(), 2, 2)
	_, err := collective.NewPublisher(t.Context(), &worker{}, "weights")
	require.ErrorIs(t, err, collective.ErrGroup)
	_, err = collective.NewReader(t.Context(), g.workers[1], 0, "weights")
	require.ErrorIs(t, err, collective.ErrGroup, "the context is no node's")
	g.do(func(ctx context.Context, w *worker) error {
		if w.Rank() == 1 {
			_, err := collective.NewReader(ctx, w, 2, "weights")
			require.ErrorIs(t, err, collective.ErrArgument)
			r, err := collective.NewReader(ctx, w, 0, "nothing")
			require.NoError(t, err)
			short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err = r.Latest(short)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			return r.Close(ctx)
		}
		_, err := collective.NewReader(ctx, w, 0, "weights")
		require.ErrorIs(t, err, collective.ErrArgument)
		p, err := collective.NewPublisher(ctx, w, "weights")
		require.NoError(t, err)
		_, err = p.Publish(map[string]tensor.Tensor{"x": {Type: tensor.Float32, Shape: []int{2}}})
		require.ErrorIs(t, err, collective.ErrArgument)
		require.NoError(t, p.Close(ctx))
		_, err = p.Publish(nil)
		require.ErrorIs(t, err, collective.ErrEnded)
		return nil
	})
}
