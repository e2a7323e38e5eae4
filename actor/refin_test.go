package actor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

type finder struct{}

func (finder) Total(ctx context.Context, key string) (int, error) {
	return actor.Call0(ctx, actor.RefIn[*sum](ctx, key), (*sum).Total)
}

func TestRefIn(t *testing.T) {
	c := newCluster(t, "a", "b")
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{total: 7}})
	actor.NewRef[*sum](c.tables["b"], "a/0")
	spawn(t, c.systems["b"], actor.Spec{Key: "b/0", Value: finder{}})
	ref := actor.NewRef[finder](c.tables["b"], "b/0")
	total, err := actor.Call(t.Context(), ref, finder.Total, "a/0")
	require.NoError(t, err)
	require.Equal(t, 7, total)
	_, err = actor.Call(t.Context(), ref, finder.Total, "a/1")
	require.ErrorIs(t, err, actor.ErrNoNode)
	require.True(t, actor.RefIn[*sum](t.Context(), "a/0").IsZero())
}
