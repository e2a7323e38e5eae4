package remote

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// A caller hears that there was no room for its answer: it would wait for ever otherwise.
func TestAnAnswerWithoutRoomIsAnError(t *testing.T) {
	h := newHouse(t, &shelf{}, &shelf{}, func(_, b *Config) { b.UrgentBytes = 256 << 10 })
	ctx, ref := within(t, 60*time.Second), h.refs["a"]["b/0"]
	const callers = 40
	result := make(chan error, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			_, err := actor.Call(ctx, ref, (*shelf).Echo, make([]byte, 200<<10))
			result <- err
		})
	}
	all.Wait()
	answered := 0
	for range callers {
		switch err := <-result; {
		case err == nil:
			answered++
		default:
			require.ErrorIs(t, err, actor.ErrOverloaded)
		}
	}
	require.NotZero(t, answered)
	require.EqualValues(t, callers-answered, h.b.Stats().Peers[0].Drops[QueueFull])
}
