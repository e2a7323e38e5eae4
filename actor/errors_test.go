package actor_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestErrorsCross(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		err := actor.Do(t.Context(), ref, (*sum).Fail, "no good")
		var e *actor.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "a/0 on a: Fail: no good", e.Error())
		require.Equal(t, actor.CodeFailed, e.Code)

		err = actor.Do0(t.Context(), ref, (*sum).Panic)
		require.ErrorIs(t, err, actor.ErrPanic)
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Stack, "(*sum).Panic")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, actor.Do0(ctx, ref, (*sum).Wait), context.DeadlineExceeded)
		_, err = actor.Call0(t.Context(), ref, (*sum).Total) // the method's context ended too
		require.NoError(t, err)
	})
}
