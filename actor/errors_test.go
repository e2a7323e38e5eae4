package actor_test

import (
	"context"
	"errors"
	"fmt"
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

// thrower returns what the test gave it.
type thrower struct{ err error }

func (th *thrower) Throw(context.Context) error { return th.err }

// through passes a call on.
type through struct{ to actor.Ref[*thrower] }

func (th *through) Throw(ctx context.Context) error {
	if err := actor.Do0(ctx, th.to, (*thrower).Throw); err != nil {
		return fmt.Errorf("through: %w", err)
	}
	return nil
}

func TestSentinelsCross(t *testing.T) {
	sentinels := []error{
		actor.ErrNoNode, actor.ErrNoMethod, actor.ErrNotMethod, actor.ErrSignature, actor.ErrStopped, actor.ErrUnreachable,
		actor.ErrDeadlock, actor.ErrOverloaded, actor.ErrTooLarge, actor.ErrCannotTravel, actor.ErrPanic, actor.ErrZeroRef,
		context.DeadlineExceeded, context.Canceled, actor.ErrPeerGone,
	}
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		th := &thrower{}
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: th})
		spawn(t, c.systems["b"], actor.Spec{Key: "b/1", Value: &through{actor.NewRef[*thrower](c.tables["b"], "a/0")}})
		for _, s := range sentinels {
			th.err = fmt.Errorf("wrapped: %w", s)
			for name, err := range map[string]error{
				"direct": actor.Do0(t.Context(), actor.NewRef[*thrower](c.tables[from], "a/0"), (*thrower).Throw),
				"nested": actor.Do0(t.Context(), actor.NewRef[*through](c.tables[from], "b/1"), (*through).Throw),
			} {
				for _, other := range sentinels {
					require.Equal(t, other == s, errors.Is(err, other), "%s: %v is %v", name, err, other)
				}
				require.ErrorContains(t, err, "wrapped: "+s.Error())
			}
		}
		th.err = errors.New("bad text \xff")
		require.ErrorContains(t, actor.Do0(t.Context(), actor.NewRef[*thrower](c.tables["b"], "a/0"), (*thrower).Throw), "bad text")
	})
}

func TestFlatten(t *testing.T) {
	e := actor.Flatten("n/0", "h", fmt.Errorf("x: %w", &actor.PanicError{Value: "v", Stack: "s"}))
	require.ErrorIs(t, e, actor.ErrPanic)
	require.Equal(t, "s", e.Stack)
	require.Equal(t, "n/0 on h: x: panic: v", e.Error())
}
