package actor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestCallReturnsResult(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		for i := 1; i <= 3; i++ {
			got, err := actor.Call(t.Context(), ref, (*sum).Add, i)
			require.NoError(t, err)
			require.Equal(t, i*(i+1)/2, got)
		}
		got, err := actor.Call0(t.Context(), ref, (*sum).Total)
		require.NoError(t, err)
		require.Equal(t, 6, got)
		got, err = actor.Call(t.Context(), actor.As[adder](ref), adder.Add, 4)
		require.NoError(t, err)
		require.Equal(t, 10, got)
	})
}

func TestGoAndCancel(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		var futures []*actor.Future[int]
		for i := range 100 {
			futures = append(futures, actor.Go(t.Context(), ref, (*sum).Add, i))
		}
		for _, f := range futures {
			_, err := f.Wait(t.Context())
			require.NoError(t, err)
		}
		f := actor.Go(t.Context(), ref, (*sum).Add, 1)
		<-f.Done()
		f.Cancel()
		_, err := f.Wait(t.Context())
		require.NoError(t, err)
	})
}

func TestRefused(t *testing.T) {
	both(t, actor.Spec{}, func(t *testing.T, ref actor.Ref[*sum]) {
		_, err := actor.Call(t.Context(), ref, func(*sum, context.Context, int) (int, error) { return 0, nil }, 1)
		require.ErrorIs(t, err, actor.ErrNotMethod)
		_, err = actor.Call0(t.Context(), actor.Ref[*sum]{}, (*sum).Total)
		require.ErrorIs(t, err, actor.ErrZeroRef)
		require.ErrorIs(t, actor.Do(t.Context(), actor.As[runner](ref), runner.Other, 1), actor.ErrNoMethod)
	})
}

type runner interface {
	Other(context.Context, int) error
}

type carrier struct{ got actor.Ref[*sum] }

type letter struct {
	Name string
	Refs []actor.Ref[*sum]
	ByID map[string]actor.Ref[*sum]
}

func (c *carrier) Take(ctx context.Context, l letter) (int, error) {
	if _, err := actor.Call(ctx, l.Refs[0], (*sum).Add, 2); err != nil {
		return 0, err
	}
	return actor.Call(ctx, l.ByID["x"], (*sum).Add, 3)
}

func TestRefsTravel(t *testing.T) {
	for _, home := range []string{"a/1", "b/0"} {
		c := newCluster(t, "a", "b")
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
		actor.NewRef[*sum](c.tables["b"], "a/0")
		spawn(t, c.systems[home[:1]], actor.Spec{Key: home, Value: &carrier{}})
		s := actor.NewRef[*sum](c.tables["a"], "a/0")
		got, err := actor.Call(t.Context(), actor.NewRef[*carrier](c.tables["a"], home), (*carrier).Take,
			letter{Refs: []actor.Ref[*sum]{s}, ByID: map[string]actor.Ref[*sum]{"x": s}})
		require.NoError(t, err)
		require.Equal(t, 5, got)
	}
}
