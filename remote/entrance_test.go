package remote

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func sizedParcel(to string, size int) *item {
	return &item{parcel: true, to: to, typeName: "m", data: make([]byte, size), size: size + envelopeCost}
}

// What is small neither waits for room behind large messages, however large and many, nor is refused for their sake.
func TestSmallMessagesHaveRoomBesideLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1 << 20
		o := newOutbox(limit, limit, 64<<20)
		require.NoError(t, o.put(t.Context(), sizedParcel("huge", 16*limit)))
		ctx, cancel := context.WithCancel(t.Context())
		next := make(chan error, 2)
		go func() { next <- o.put(ctx, sizedParcel("next", 100<<10)) }()
		synctest.Wait()
		small := 0
		for ; o.lanes[dataLane].bytes-o.lanes[dataLane].bulk+1000+envelopeCost <= limit/sharesOfSmall; small++ {
			require.NoError(t, o.put(t.Context(), sizedParcel("small", 1000)))
		}
		require.Greater(t, small, 100)
		require.Empty(t, next, "one that is too large is alone among the large ones")
		go func() { next <- o.put(t.Context(), sizedParcel("small", 1000)) }()
		synctest.Wait()
		require.Empty(t, next, "their share is bounded too")

		require.NoError(t, o.putNow(urgentLane, sizedParcel("answer", 2*limit)))
		require.ErrorIs(t, o.putNow(urgentLane, sizedParcel("another", limit/2)), ErrFull)
		require.NoError(t, o.putNow(urgentLane, sizedParcel("small", 1000)))

		cancel()
		require.ErrorIs(t, <-next, context.Canceled)
		var w writer
		for o.sent.seq < 4*16 { // some chunks: nothing large is given back before the last
			require.Equal(t, taken, o.take(&w))
		}
		require.NoError(t, o.acknowledged(o.sent.seq))
		require.Equal(t, taken, o.take(&w))
		require.NoError(t, <-next)
		require.Equal(t, 2*limit+16*limit+2*envelopeCost, o.lanes[0].bulk+o.lanes[1].bulk)
		o.end(errLeft)
	})
}

// Window that is given back, and the news that there was no room for a result, find room where results have used theirs up: nobody says either again.
func TestControlHasRoomBesideAnswers(t *testing.T) {
	const limit = 64 << 10
	o := newOutbox(limit, limit, 1<<20)
	answer := sizedParcel("tlaunch", limit/4-envelopeCost)
	for o.putNow(urgentLane, answer) == nil {
	}
	for range limit / sharesOfSmall / 100 {
		require.NoError(t, o.putNow(urgentLane, sizedParcel("tlaunch", 100-envelopeCost)))
	}
	_, held := o.depth()
	require.LessOrEqual(t, held, limit)
}

// Room for large messages is that of all of them together, and is given back with the acknowledgement of the last chunk.
func TestLargeMessagesLeaveRoomForSmallOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1 << 20
		o := newOutbox(limit, limit, 64<<20)
		put := make(chan string, 20)
		for range 20 {
			go func() {
				if o.put(t.Context(), sizedParcel("large", 128<<10)) == nil {
					put <- "large"
				}
			}()
		}
		synctest.Wait()
		require.Len(t, put, 6, "seven eighths, less what is around them")
		require.NoError(t, o.put(t.Context(), sizedParcel("small", 64<<10>>2)))
		var w writer
		for len(put) < 20 || o.lanes[dataLane].bytes > 0 {
			o.nudge(1)
			require.Equal(t, taken, o.take(&w))
			require.NoError(t, o.acknowledged(o.sent.seq))
			synctest.Wait()
			require.LessOrEqual(t, o.lanes[dataLane].bytes, limit)
		}
		require.Zero(t, o.lanes[dataLane].bulk)
	})
}
