package remote

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func sized(name string, size int) item { return item{typeName: name, size: size} }

func names(items []item) (s []string) {
	for _, it := range items {
		s = append(s, it.typeName)
	}
	return s
}

func TestQueueUrgentPasses(t *testing.T) {
	q := newQueue(100, 100)
	ctx := t.Context()
	require.NoError(t, q.put(ctx, sized("d1", 10)))
	require.NoError(t, q.put(ctx, sized("d2", 10)))
	require.NoError(t, q.putNow(urgentLane, sized("u1", 10)))
	require.NoError(t, q.putNow(urgentLane, sized("u2", 10)))
	items := q.take(35, nil)
	require.Equal(t, []string{"u1", "u2", "d1"}, names(items))
	messages, bytes := q.depth()
	require.Equal(t, []int{1, 10}, []int{messages, bytes})
}

func TestQueueCutsByBytesButNeverStarves(t *testing.T) {
	q := newQueue(100, 1000)
	require.NoError(t, q.put(t.Context(), sized("whale", 500)), "alone it is let in")
	require.NoError(t, q.putNow(dataLane, sized("small", 1)))
	items := q.take(100, nil)
	require.Equal(t, []string{"whale"}, names(items))
	items = q.take(100, items[:0])
	require.Equal(t, []string{"small"}, names(items))
}

func TestQueueBounds(t *testing.T) {
	q := newQueue(100, 200)
	require.NoError(t, q.putNow(urgentLane, sized("u", 150)))
	require.ErrorIs(t, q.putNow(urgentLane, sized("u", 51)), ErrFull)
	require.NoError(t, q.putNow(dataLane, sized("d", 150)), "a bound of its own")
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	require.ErrorIs(t, q.put(ctx, sized("w", 1)), gone)
}

func TestQueueWaitersKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(10, 10)
		require.NoError(t, q.put(t.Context(), sized("0", 10)))
		results := make(chan error, 3)
		for _, name := range []string{"1", "2", "3"} {
			go func() { results <- q.put(t.Context(), sized(name, 10)) }()
			synctest.Wait()
		}
		for _, want := range []string{"0", "1", "2", "3"} {
			items := q.take(100, nil)
			require.Equal(t, []string{want}, names(items))
		}
		for range 3 {
			require.NoError(t, <-results)
		}
	})
}

func TestQueueLeavingWaiterLetsOthersIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(10, 10)
		require.NoError(t, q.put(t.Context(), sized("0", 5)))
		ctx, cancel := context.WithCancel(t.Context())
		big, small := make(chan error, 1), make(chan error, 1)
		go func() { big <- q.put(ctx, sized("big", 8)) }()
		synctest.Wait()
		go func() { small <- q.put(t.Context(), sized("small", 5)) }()
		synctest.Wait()
		require.Empty(t, small)
		cancel()
		require.ErrorIs(t, <-big, context.Canceled)
		require.NoError(t, <-small)
	})
}

func TestQueueEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(10, 10)
		require.NoError(t, q.put(t.Context(), sized("0", 10)))
		waiting := make(chan error, 1)
		go func() { waiting <- q.put(t.Context(), sized("1", 10)) }()
		synctest.Wait()
		require.Equal(t, 1, q.end(errSilent))
		require.ErrorIs(t, <-waiting, errSilent)
		require.Zero(t, q.end(errLeft))
		require.ErrorIs(t, q.put(t.Context(), sized("2", 1)), errSilent, "the first reason stays")
		require.Empty(t, q.take(10, nil))
	})
}

func TestQueueDrain(t *testing.T) {
	q := newQueue(10, 10)
	require.NoError(t, q.put(t.Context(), sized("0", 10)))
	q.drain(ErrClosed)
	require.ErrorIs(t, q.put(t.Context(), sized("1", 1)), ErrClosed)
	require.ErrorIs(t, q.putNow(urgentLane, sized("1", 1)), ErrClosed)
	require.Len(t, q.take(10, nil), 1)
	require.Empty(t, q.take(10, nil))
}

// TestQueueAgainstOracle compares random use with two plain slices.
func TestQueueAgainstOracle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	q := newQueue(1<<30, 1<<30)
	var urgent, data []item
	for i := range 20_000 {
		it := item{size: 1 + r.IntN(50), typeName: string(rune('a' + i%26))}
		switch r.IntN(5) {
		case 0, 1:
			require.NoError(t, q.put(t.Context(), it))
			data = append(data, it)
		case 2, 3:
			require.NoError(t, q.putNow(urgentLane, it))
			urgent = append(urgent, it)
		default:
			if len(urgent)+len(data) == 0 {
				continue
			}
			max := r.IntN(300)
			got := q.take(max, nil)
			var want []item
			size := 0
			for len(urgent)+len(data) > 0 {
				from := &urgent
				if len(urgent) == 0 {
					from = &data
				}
				if size > 0 && size+(*from)[0].size > max {
					break
				}
				size += (*from)[0].size
				want = append(want, (*from)[0])
				*from = (*from)[1:]
			}
			require.Equal(t, want, got)
		}
	}
}

// spoken is a stream that keeps what is said on it.
type spoken struct{ said int }

func (s *spoken) SendMsg(any) error { s.said++; return nil }
func (s *spoken) RecvMsg(any) error { return io.EOF }

// Goodbye means that the peer has everything: it is not said when the queue was dropped.
func TestNoGoodbyeOfALinkThatWasBroken(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true})
	for broken, said := range map[bool]int{false: 1, true: 0} {
		s := &spoken{}
		l := e.newLink(s)
		if broken {
			l.endQueue(ErrGone)
		} else {
			l.drain()
		}
		l.write()
		require.Equal(t, said, s.said)
	}
}
