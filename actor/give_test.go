package actor_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// What is given arrives, nil as empty; what could not be given is still the sender's.
func TestGive(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		h := &hoarder{}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: h})
		ref := actor.NewRef[*hoarder](c.tables[from], "a/0")
		for _, size := range []int{0, 1, 256, 257, 100_000} {
			given := bytes.Repeat([]byte{7}, size)
			require.NoError(t, actor.Give(t.Context(), ref, (*hoarder).Hold, given))
			require.NoError(t, n.Drain(t.Context()))
			_, err := actor.Call(t.Context(), ref, (*hoarder).Echo, nil) // behind it, also where it came over a link
			require.NoError(t, err)
			require.True(t, bytes.Equal(bytes.Repeat([]byte{7}, size), h.kept), "%d bytes", size)
			if size > 0 && from == "a" && t.Name() == "TestGive/one_process" {
				require.Same(t, &given[0], &h.kept[0])
			}
		}
		require.NoError(t, actor.Give(t.Context(), ref, (*hoarder).Hold, nil))
		_, err := actor.Call(t.Context(), ref, (*hoarder).Echo, nil)
		require.NoError(t, err)
		require.Empty(t, h.kept)

		require.NoError(t, n.Stop(t.Context()))
		if from == "a" {
			given := []byte("still mine")
			require.ErrorIs(t, actor.Give(t.Context(), ref, (*hoarder).Hold, given), actor.ErrStopped)
			require.Equal(t, "still mine", string(given))
		}
	})
}
