package actor_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// What is given arrives, nil as empty; what could not be given is still the sender's.
func TestGive(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		h := &hoarder{}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: h})
		ref := actor.NewRef[*hoarder](c.tables[from], "a/0")
		for _, size := range []int{0, 1, 256, 257, 100_000} {
			given := bytes.Repeat([]byte{7}, size)
			require.NoError(t, actor.Give(t.Context(), ref, (*hoarder).Hold, given))
			require.NoError(t, n.Drain(t.Context()))
			_, err := actor.Call(t.Context(), ref, (*hoarder).Echo, nil) // behind it, also where it came over a link
			require.NoError(t, err)
			require.True(t, bytes.Equal(bytes.Repeat([]byte{7}, size), h.kept), "%d bytes", size)
			if size > 0 && from == "a" && t.Name() == "TestGive/one_process" {
				require.Same(t, &given[0], &h.kept[0])
			}
		}
		require.NoError(t, actor.Give(t.Context(), ref, (*hoarder).Hold, nil))
		_, err := actor.Call(t.Context(), ref, (*hoarder).Echo, nil)
		require.NoError(t, err)
		require.Empty(t, h.kept)

		require.NoError(t, n.Stop(t.Context()))
		if from == "a" {
			given := []byte("still mine")
			require.ErrorIs(t, actor.Give(t.Context(), ref, (*hoarder).Hold, given), actor.ErrStopped)
			require.Equal(t, "still mine", string(given))
		}
	})
}

func TestGoGive(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		h := &hoarder{}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: h})
		ref := actor.NewRef[*hoarder](c.tables[from], "a/0")
		var futures []*actor.Future[[]byte]
		sizes := []int{0, 1, 257, 512, 70_000, 1 << 20}
		for _, size := range sizes {
			futures = append(futures, actor.GoGive(t.Context(), ref, (*hoarder).Echo, bytes.Repeat([]byte{7}, size)))
		}
		for i, f := range futures {
			got, err := f.Wait(t.Context())
			require.NoError(t, err)
			require.True(t, bytes.Equal(bytes.Repeat([]byte{7}, sizes[i]), got), "%d bytes", sizes[i])
		}
		got, err := actor.GoGive(t.Context(), ref, (*hoarder).Echo, nil).Wait(t.Context())
		require.NoError(t, err)
		require.Empty(t, got)

		require.NoError(t, n.Stop(t.Context()))
		_, err = actor.GoGive(t.Context(), ref, (*hoarder).Echo, []byte("late")).Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrStopped)
	})
}

// lender returns bytes that it gives away, and those that it keeps.
type lender struct{ given, kept []byte }

func (l *lender) Give(ctx context.Context, size int) ([]byte, error) {
	actor.GiveResult(ctx)
	l.given = bytes.Repeat([]byte{7}, size)
	return l.given, nil
}

func (l *lender) GiveNothing(ctx context.Context, _ int) ([]byte, error) {
	actor.GiveResult(ctx)
	return nil, nil
}

func (l *lender) GiveNumber(ctx context.Context, n int) (int, error) {
	actor.GiveResult(ctx)
	return n, nil
}

func (l *lender) Keep(_ context.Context, size int) ([]byte, error) {
	l.kept = bytes.Repeat([]byte{7}, size)
	return l.kept, nil
}

func (l *lender) Fail(ctx context.Context, size int) ([]byte, error) {
	actor.GiveResult(ctx)
	return l.kept, errors.New("no")
}

func TestGiveResult(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		l := &lender{}
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l})
		ref := actor.NewRef[*lender](c.tables[from], "a/0")
		for _, size := range []int{0, 1, 512, 70_000, 1 << 20} {
			want := bytes.Repeat([]byte{7}, size)
			got, err := actor.Call(t.Context(), ref, (*lender).Give, size)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d bytes", size)
			if size > 0 && from == "a" && t.Name() == "TestGiveResult/one_process" {
				require.Same(t, &l.given[0], &got[0])
			}
			got, err = actor.Call(t.Context(), ref, (*lender).Keep, size)
			require.NoError(t, err)
			clear(l.kept) // it is still the node's
			require.True(t, bytes.Equal(want, got), "%d bytes", size)
		}
		got, err := actor.Call(t.Context(), ref, (*lender).GiveNothing, 0)
		require.NoError(t, err)
		require.Equal(t, []byte{}, got)
		n, err := actor.Call(t.Context(), ref, (*lender).GiveNumber, 7)
		require.NoError(t, err)
		require.Equal(t, 7, n)
		_, err = actor.Call(t.Context(), ref, (*lender).Fail, 7)
		require.ErrorContains(t, err, "no")
	})
	actor.GiveResult(t.Context()) // which is no method's
}
