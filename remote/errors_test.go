package remote

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestErrorsAreThoseOfNodes(t *testing.T) {
	require.ErrorIs(t, ErrUnreachable, actor.ErrUnreachable)
	require.ErrorIs(t, ErrTooLarge, actor.ErrTooLarge)
	require.ErrorIs(t, ErrClosed, actor.ErrStopped)
	require.ErrorIs(t, ErrFull, actor.ErrOverloaded)
	err := unreachable("a:1", errSilent)
	require.ErrorIs(t, err, actor.ErrUnreachable)
	require.ErrorIs(t, err, errSilent)
	require.Equal(t, "remote: peer is unreachable: a:1: nothing was heard from the peer for two heartbeats", err.Error())
}
