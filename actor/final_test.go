package actor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// hopeless returns a final error.
type hopeless struct{}

var errNever = errors.New("never")

func (hopeless) Try(context.Context) error { return actor.Final(errNever) }

func TestFinal(t *testing.T) {
	require.NoError(t, actor.Final(nil))
	err := actor.Final(errNever)
	require.EqualError(t, err, "never")
	require.ErrorIs(t, err, errNever)
	require.ErrorIs(t, err, actor.ErrFinal)
	require.NotErrorIs(t, errNever, actor.ErrFinal)

	sent := actor.Flatten("a/0", "host1", err) // as it goes to another process
	b, err := actor.Encode(*sent)
	require.NoError(t, err)
	var got actor.Error
	require.NoError(t, actor.Decode(b, &got))
	require.ErrorIs(t, &got, actor.ErrFinal)
	require.NotErrorIs(t, actor.Flatten("a/0", "host1", errNever), actor.ErrFinal)
}

// What is final for a node is not so for those who call it.
func TestFinalIsTheNodesOwn(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: hopeless{}})
		err := actor.Do0(t.Context(), actor.NewRef[hopeless](c.tables[from], "a/0"), hopeless.Try)
		require.ErrorContains(t, err, "never")
		require.NotErrorIs(t, err, actor.ErrFinal)
	})
}
