package collective_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A publisher that closes while a version is on its way, and does not wait for it, leaves nobody waiting: those who read, and those who
// read through them, hear that nothing comes any more.
func TestPublishClosedHalfWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half := make(chan struct{})
		newTeam(t, actor.Config{}, topology.Chain(), 4, 4).afterTheFirst(func(ctx context.Context, p *collective.Publisher) error {
			_, err := p.Publish(weights(2, 32<<20))
			require.NoError(t, err)
			<-half
			short, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			require.ErrorIs(t, p.Close(short), context.DeadlineExceeded)
			return nil
		}, func(ctx context.Context, w *worker, r *collective.Reader, there *sync.WaitGroup) error {
			if w.Rank() == 1 {
				defer w.holdOn(ctx, 20*time.Millisecond)()
				there.Done()
				for r.Stats().ReceivedBytes < 16<<20 {
					time.Sleep(time.Millisecond)
				}
				close(half)
			} else {
				there.Done()
			}
			_, err := r.Next(ctx, 1)
			require.ErrorIs(t, err, collective.ErrEnded)
			return r.Close(ctx)
		})
	})
}

// afterTheFirst has the first member publish a version, and lead go on when all others, which read it, have said that they are there. read is what
// these do with it.
func (g *team) afterTheFirst(lead func(ctx context.Context, p *collective.Publisher) error,
	read func(ctx context.Context, w *worker, r *collective.Reader, there *sync.WaitGroup) error) {
	var there sync.WaitGroup
	there.Add(len(g.workers) - 1)
	g.do(func(ctx context.Context, w *worker) error {
		if w.Rank() == 0 {
			p, err := collective.NewPublisher(ctx, w, "weights")
			require.NoError(g.t, err)
			_, err = p.Publish(weights(1, 1000))
			require.NoError(g.t, err)
			there.Wait()
			return lead(ctx, p)
		}
		r, err := collective.NewReader(ctx, w, 0, "weights")
		require.NoError(g.t, err)
		_, err = r.Latest(ctx)
		require.NoError(g.t, err)
		return read(ctx, w, r, &there)
	})
}

// The end of the node's context is the end of a publication, and not a good one.
func TestPublishEndsWithItsContext(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Star(), 2, 2)
	g.do(func(ctx context.Context, w *worker) error {
		if w.Rank() > 0 {
			return nil
		}
		short, cancel := context.WithCancel(ctx)
		p, err := collective.NewPublisher(short, w, "weights")
		require.NoError(t, err)
		cancel()
		require.Eventually(t, func() bool {
			_, err = p.Publish(nil)
			return err != nil
		}, patience, time.Millisecond)
		require.ErrorIs(t, err, collective.ErrEnded)
		require.ErrorIs(t, p.Close(ctx), context.Canceled, "nobody was told")

		p, err = collective.NewPublisher(ctx, w, "weights")
		require.NoError(t, err)
		require.NoError(t, p.Close(ctx))
		require.NoError(t, p.Close(ctx), "once more is nothing")
		return nil
	})
}

// A version that Publish has taken while another goroutine closes arrives.
func TestPublishWhileClosing(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Star(), 2, 2)
	body := make([]float64, 1<<20)
	for range 10 {
		var there sync.WaitGroup
		there.Add(1)
		var last, got uint64
		g.do(func(ctx context.Context, w *worker) error {
			if w.Rank() == 0 {
				p, err := collective.NewPublisher(ctx, w, "weights")
				require.NoError(t, err)
				last, err = p.Publish(map[string]tensor.Tensor{"body": tensor.Of(body[:1])})
				require.NoError(t, err)
				there.Wait()
				var both sync.WaitGroup
				begun := make(chan struct{})
				both.Go(func() {
					close(begun)
					n, err := p.Publish(map[string]tensor.Tensor{"body": tensor.Of(body)})
					if err == nil {
						last = n
					} else {
						require.ErrorIs(t, err, collective.ErrEnded)
					}
				})
				<-begun // mostly it copies now
				err = p.Close(ctx)
				both.Wait()
				return err
			}
			r, err := collective.NewReader(ctx, w, 0, "weights")
			require.NoError(t, err)
			for {
				v, err := r.Next(ctx, got)
				if errors.Is(err, collective.ErrEnded) {
					return r.Close(ctx)
				}
				require.NoError(t, err)
				if got == 0 {
					there.Done()
				}
				got = v.Number
			}
		})
		require.Equal(t, last, got)
	}
}

// A reader that leaves as the publisher closes, having the last version, costs nobody below it that version: whichever of the two is first.
func TestPublishLeaveAtTheEnd(t *testing.T) {
	for step := range 24 {
		synctest.Test(t, func(t *testing.T) {
			g := newTeam(t, actor.Config{}, topology.Chain(), 4, 4)
			g.delay(uint64(step))
			g.afterTheFirst(func(ctx context.Context, p *collective.Publisher) error {
				_, err := p.Publish(weights(2, 4<<20))
				require.NoError(t, err)
				return p.Close(ctx)
			}, func(ctx context.Context, w *worker, r *collective.Reader, there *sync.WaitGroup) error {
				there.Done()
				if w.Rank() == 1 {
					_, err := r.Next(ctx, 1)
					require.NoError(t, err)
					time.Sleep(time.Duration(step) * time.Millisecond)
					return r.Close(ctx)
				}
				defer w.holdOn(ctx, 20*time.Millisecond)()
				_, last, err := readAll(ctx, r)
				require.Equal(t, uint64(2), last)
				return errors.Join(err, r.Close(ctx))
			})
		})
	}
}

// A reader that leaves goes when the one below it has found another, and that is soon.
func TestPublishLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{})
		newTeam(t, actor.Config{}, topology.Chain(), 4, 4).afterTheFirst(func(ctx context.Context, p *collective.Publisher) error {
			<-left
			_, err := p.Publish(weights(2, 1000))
			require.NoError(t, err)
			return p.Close(ctx)
		}, func(ctx context.Context, w *worker, r *collective.Reader, there *sync.WaitGroup) error {
			there.Done()
			if w.Rank() == 2 {
				there.Wait()
				time.Sleep(time.Second) // beyond the time in which new readers ask the nearest alone
				began := time.Now()
				err := r.Close(ctx)
				require.Less(t, time.Since(began), 100*time.Millisecond)
				close(left)
				return err
			}
			_, last, err := readAll(ctx, r)
			require.Equal(t, uint64(2), last)
			return errors.Join(err, r.Close(ctx))
		})
	})
}
