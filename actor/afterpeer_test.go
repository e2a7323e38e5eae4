package actor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// keeper keeps something for each process that asks.
type keeper struct{ told chan string }

func (k *keeper) Keep(ctx context.Context, name string) error {
	actor.AfterPeer(ctx, func() { k.told <- name })
	actor.AfterPeer(ctx, func() { k.told <- "taken back" })()
	return nil
}

// Late has the news come before it asks for them.
func (k *keeper) Late(ctx context.Context, address string) error {
	actor.SystemOf(ctx).PeerDown(address, actor.ErrPeerGone)
	actor.AfterPeer(ctx, func() { k.told <- "late" })
	return ctx.Err()
}

func TestNodesHearOfTheEndOfWhoCalledThem(t *testing.T) {
	c := newCluster(t, "a", "b", "c")
	k := &keeper{told: make(chan string, 9)}
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: k})
	for _, from := range []string{"a", "b", "c"} {
		require.NoError(t, actor.Do(t.Context(), actor.NewRef[*keeper](c.tables[from], "a/0"), (*keeper).Keep, from))
	}
	a := c.systems["a"]
	a.PeerDown("b", errors.New("reset"))
	require.Empty(t, k.told, "it may live")
	a.PeerDown("b", fmt.Errorf("killed: %w", actor.ErrPeerGone))
	require.Equal(t, "b", <-k.told)
	a.PeerDown("b", actor.ErrPeerGone)
	require.Empty(t, k.told, "once")
	err := actor.Do(t.Context(), actor.NewRef[*keeper](c.tables["c"], "a/0"), (*keeper).Late, "c")
	require.Error(t, err)
	require.Equal(t, "c", <-k.told)
	require.Empty(t, k.told, "who asks too late has a context that has ended")
	actor.AfterPeer(t.Context(), func() { k.told <- "no node's" })()
}
