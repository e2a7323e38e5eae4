package actor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestLostLinkEndsCalls(t *testing.T) {
	c := newCluster(t, "a", "b")
	started := make(chan struct{})
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &blocked{started: started}})
	ref := actor.NewRef[*blocked](c.tables["b"], "a/0")
	out := make(chan error, 1)
	go func() { out <- actor.Do0(t.Context(), ref, (*blocked).Wait) }()
	<-started
	c.systems["b"].PeerDown("a", errors.New("cut"))
	require.ErrorIs(t, <-out, actor.ErrUnreachable)
	c.systems["a"].PeerDown("b", errors.New("cut")) // ends the method's context, so that Close returns
}

type blocked struct{ started chan struct{} }

func (b *blocked) Wait(ctx context.Context) error {
	close(b.started)
	<-ctx.Done()
	return ctx.Err()
}
