package bootstrap

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// copies lets n hosts get an executable, each in the time that take says, and counts the copies that the launcher sends.
func copies(t *testing.T, s *spread, n int, how func(host int, from *holder) outcome) (direct int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			from, err := s.next(t.Context())
			require.NoError(t, err)
			time.Sleep(time.Second) // in a bubble
			went := outcomeGot
			if from != nil {
				went = how(i, from)
			}
			mu.Lock()
			if from == nil || went != outcomeGot {
				direct++
			}
			mu.Unlock()
			s.done(from, went, &holder{})
		})
	}
	all.Wait()
	require.Zero(t, s.flying)
	for _, h := range s.holders {
		require.Zero(t, h.load)
	}
	return direct
}

func TestSpread(t *testing.T) {
	well := func(int, *holder) outcome { return outcomeGot }
	for hosts, want := range map[int]time.Duration{1: time.Second, maxDirect: time.Second, 32: 2 * time.Second, 200: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			require.Equal(t, min(hosts, maxDirect), copies(t, newSpread(), hosts, well), "%d hosts", hosts)
			require.Equal(t, want, time.Since(began), "%d hosts: each round has five times as many as the one before", hosts)
		})
	}
}

// Where hosts cannot reach each other the launcher sends all, and finds that out once.
func TestSpreadGivesUp(t *testing.T) {
	for _, how := range []outcome{outcomeUnable, outcomeBroken} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			require.Equal(t, 100, copies(t, newSpread(), 100, func(int, *holder) outcome { return how }))
			require.Less(t, time.Since(began), 5*time.Second)
		})
	}
}

// One holder that does not pass it on costs its own guests only.
func TestSpreadDropsBrokenHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpread()
		var broken *holder
		var mu sync.Mutex
		direct := copies(t, s, 100, func(_ int, from *holder) outcome {
			mu.Lock()
			defer mu.Unlock()
			if broken == nil {
				broken = from
			}
			if from == broken {
				return outcomeBroken
			}
			return outcomeGot
		})
		require.LessOrEqual(t, direct, maxDirect+maxGiven)
		require.False(t, slices.Contains(s.holders, broken))
		require.Equal(t, 1, s.failed)
	})
}

func TestSpreadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpread()
		for range maxDirect {
			from, err := s.next(t.Context())
			require.NoError(t, err)
			require.Nil(t, from)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("no more")
		time.AfterFunc(time.Second, func() { cancel(reason) })
		_, err := s.next(ctx)
		require.ErrorIs(t, err, reason)

		for range maxDirect { // none of them has got it
			s.done(nil, outcomeGot, nil)
		}
		from, err := s.next(t.Context())
		require.NoError(t, err)
		require.Nil(t, from, "nobody else is left who could send it")
		s.done(from, outcomeGot, nil)
	})
}
