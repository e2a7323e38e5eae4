package actor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestRefs(t *testing.T) {
	c := newCluster(t, "a", "b")
	table := c.tables["a"]
	ref := actor.NewRef[*sum](table, "a/0")
	require.Equal(t, "a/0", ref.Key())
	require.Equal(t, ref, actor.NewRef[*sum](table, "a/0"))
	require.False(t, ref.IsZero())
	var zero actor.Ref[*sum]
	require.True(t, zero.IsZero())
	require.Equal(t, "(zero ref)", zero.String())
	_, err := zero.PID()
	require.ErrorIs(t, err, actor.ErrZeroRef)
	require.Equal(t, zero, roundTrip(t, zero))
	loose := roundTrip(t, ref) // decoded outside of a program
	require.Equal(t, "a/0", loose.Key())
	_, err = actor.Call0(t.Context(), loose, (*sum).Total)
	require.ErrorIs(t, err, actor.ErrNoNode)
	_, err = actor.NewRef[*sum](actor.NewTable(), "x").PID()
	require.ErrorIs(t, err, actor.ErrStopped)
	_, err = actor.Call0(t.Context(), actor.NewRef[*sum](table, "?/0"), (*sum).Total)
	require.ErrorIs(t, err, actor.ErrNoNode)
	pid, err := actor.NewRef[*sum](table, "b/0").PID()
	require.NoError(t, err)
	require.Equal(t, "b/b/0", pid.Address+"/"+pid.Id)
	require.Equal(t, zero, actor.Ref[*sum](zero))
	require.ErrorIs(t, actor.Do(t.Context(), actor.As[*gate](ref), (*gate).Note, 1), actor.ErrNoMethod)
}

// Refs lie anywhere in a message, also under an embedded struct.
type envelope struct{ Ref actor.Ref[*sum] }
type parcelled struct {
	envelope
	Deep map[string][]*envelope
}

type postman struct{}

func (postman) Deliver(ctx context.Context, p parcelled) (int, error) {
	if _, err := actor.Call(ctx, p.Ref, (*sum).Add, 1); err != nil {
		return 0, err
	}
	return actor.Call(ctx, p.Deep["x"][0].Ref, (*sum).Add, 10)
}

func (postman) Zero(ctx context.Context, r actor.Ref[*sum]) error {
	return actor.Do(ctx, r, (*sum).Put, 1)
}

func TestRefsInMessages(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		spawn(t, c.systems["b"], actor.Spec{Key: "b/0", Value: &sum{}})
		actor.NewRef[*sum](c.tables["a"], "b/0")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: postman{}})
		to := actor.NewRef[postman](c.tables[from], "a/0")
		s := actor.NewRef[*sum](c.tables[from], "b/0")
		got, err := actor.Call(t.Context(), to, postman.Deliver, parcelled{envelope{s}, map[string][]*envelope{"x": {{s}}}})
		require.NoError(t, err)
		require.Equal(t, 11, got)
		require.ErrorIs(t, actor.Do(t.Context(), to, postman.Zero, actor.Ref[*sum]{}), actor.ErrZeroRef)
	})
	c := newCluster(t, "a", "b") // a name that the receiver's program does not have
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: postman{}})
	err := actor.Do(t.Context(), actor.NewRef[postman](c.tables["b"], "a/0"), postman.Zero, actor.NewRef[*sum](c.tables["b"], "b/77"))
	require.ErrorIs(t, err, actor.ErrNoNode)
}
