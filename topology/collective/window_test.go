package collective_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// zeros never end; full is closed when so many were read.
type zeros struct {
	left int
	full chan struct{}
}

func (z *zeros) Read(b []byte) (int, error) {
	clear(b)
	if z.left > 0 && z.left <= len(b) {
		close(z.full)
	}
	z.left -= len(b)
	return len(b), nil
}

// writer is a function that writes.
type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// What waits for an operation that was cancelled, and what arrives after it, takes no room from the next: neither may be forgotten.
func TestWindowAfterCancel(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Chain(), 2, 2)
	const chunks = 12 // a window of 8, and 4 that the root keeps
	holding, release := make(chan struct{}), make(chan struct{})
	g.workers[1].hold = func() { close(holding); <-release }
	source := &zeros{chunks * collective.DefaultChunk, make(chan struct{})}
	whole := bytes.Repeat([]byte("0123456789abcde"), 1<<18)
	g.do(func(ctx context.Context, w *worker) error {
		data := make([]byte, len(whole))
		var err error
		if w.Rank() == 0 {
			copy(data, whole)
			_, err = collective.Stream(ctx, w, 0, source, nil)
		} else {
			short, cancel := context.WithCancel(ctx)
			defer cancel()
			_, err = collective.Stream(short, w, 0, nil, writer(func([]byte) (int, error) {
				if err := actor.Tell0(ctx, actor.RefIn[*worker](ctx, "w/1"), (*worker).Hold); err != nil {
					return 0, err
				}
				<-holding
				select {
				case <-source.full:
				case <-ctx.Done():
				}
				cancel()
				return 0, short.Err()
			}))
			close(release)
		}
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("the stream ended with: %w", err)
		}
		if err := collective.Broadcast(ctx, w, 0, data); err != nil {
			return err
		}
		return same("broadcast", w.Rank(), whole, data)
	})
}

// A member whose context is over when it comes to an operation ends that for the others too, and counts it: the next is the same for all.
func TestCancelledBefore(t *testing.T) {
	g := newTeam(t, actor.Config{}, topology.Tree(2), 3, 3)
	var mu sync.Mutex
	errs := make([]error, 3)
	g.do(func(ctx context.Context, w *worker) error {
		this := ctx
		if w.Rank() == 1 {
			over, cancel := context.WithCancel(ctx)
			cancel()
			this = over
		}
		err := collective.Barrier(this, w)
		mu.Lock()
		errs[w.Rank()] = err
		mu.Unlock()
		return collective.Barrier(ctx, w)
	})
	for rank, err := range errs {
		require.ErrorIs(t, err, context.Canceled, "member %d", rank)
		require.Equal(t, rank != 1, errors.Is(err, collective.ErrAborted), "member %d: %v", rank, err)
	}
}

// A member whose turn is taken for long hears nothing of what the others have sent, and that is not lost.
func TestLongTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTeam(t, actor.Config{}, topology.Chain(), 2, 2)
		g.workers[1].hold = func() { time.Sleep(20 * time.Second) }
		g.do(func(ctx context.Context, w *worker) error {
			all := make([]byte, 2)
			if w.Rank() == 0 {
				synctest.Wait() // the other has begun
				if err := actor.Tell0(ctx, actor.RefIn[*worker](ctx, "w/1"), (*worker).Hold); err != nil {
					return err
				}
				return collective.Gather(ctx, w, 1, []byte{1}, nil)
			}
			if err := collective.Gather(ctx, w, 1, []byte{2}, all); err != nil {
				return err
			}
			return same("gather", 1, []byte{1, 2}, all)
		})
	})
}
