package transmit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPeek(t *testing.T) {
	ctx := patient(t)
	c := Config{Checkpoints: Checkpoints{Dir: t.TempDir()}}
	t.Run("one run", func(t *testing.T) {
		r := Register[[]string]{Node: started(t, c), Name: "state"}
		_, version, err := r.Peek(ctx)
		require.NoError(t, err)
		require.Zero(t, version)
		for n := range 2 {
			sent, err := r.Send(ctx, []string{"a", "b"}[:n+1])
			require.NoError(t, err)
			value, version, err := r.Peek(ctx)
			require.NoError(t, err)
			require.Equal(t, sent, version)
			require.Equal(t, []string{"a", "b"}[:n+1], value)
		}
	})
	t.Run("the next", func(t *testing.T) {
		value, version, err := Register[[]string]{Node: started(t, c), Name: "state"}.Peek(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, version)
		require.Equal(t, []string{"a", "b"}, value)
	})
}
