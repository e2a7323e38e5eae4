package cluster

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A fixture opens two registries onto one and the same store, for one part of
// the suite.
type fixture struct {
	open   func(t *testing.T) (a, b Registry)
	shared bool // a and b are the same value
	bubble bool // each part runs in a synctest bubble
}

// conform holds a registry to what Registry promises. Each part has a run of
// its own, so that they can use one store.
func conform(t *testing.T, f fixture) {
	var ctx context.Context // of the part that runs
	runs := 0
	part := func(name string, test func(t *testing.T, run string, a, b Registry)) {
		runs++
		run := fmt.Sprintf("conform-%d", runs)
		body := func(t *testing.T) {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			a, b := f.open(t)
			test(t, run, a, b)
		}
		t.Run(name, func(t *testing.T) {
			if f.bubble {
				synctest.Test(t, body)
			} else {
				body(t)
			}
		})
	}
	of := func(run, host string, incarnation uint64) Member {
		m := member(host, incarnation)
		m.Run = run
		return m
	}

	part("members are sorted and whole", func(t *testing.T, run string, a, b Registry) {
		h2 := of(run, "h2", 3)
		h2.Address = "[fe80::1]:99"
		h2.Meta = map[string]string{"gpu": "2", "note": "two words"}
		require.NoError(t, a.Register(ctx, h2))
		require.NoError(t, b.Register(ctx, of(run, "h1", 0)))
		require.NoError(t, b.Register(ctx, of(run+"x", "h9", 0)))
		got, err := a.Members(ctx, run)
		require.NoError(t, err)
		require.Equal(t, []Member{of(run, "h1", 0), h2}, got)

		h2.Address = "10.0.0.7:100"
		require.NoError(t, a.Register(ctx, h2), "the same incarnation updates")
		got, err = b.Members(ctx, run)
		require.NoError(t, err)
		require.Equal(t, h2, got[1])
	})

	part("an unknown run is empty", func(t *testing.T, run string, a, b Registry) {
		got, err := a.Members(ctx, run)
		require.NoError(t, err)
		require.Empty(t, got)
		require.NotNil(t, got)
		_, err = a.Description(ctx, run)
		require.ErrorIs(t, err, ErrNoDescription)
		require.NoError(t, a.Deregister(ctx, run, "nobody", 1))
	})

	part("the higher incarnation counts", func(t *testing.T, run string, a, b Registry) {
		require.NoError(t, a.Register(ctx, of(run, "h", 5)))
		require.ErrorIs(t, b.Register(ctx, of(run, "h", 4)), ErrFenced)
		require.NoError(t, b.Register(ctx, of(run, "h", 6)))
		require.ErrorIs(t, a.Register(ctx, of(run, "h", 5)), ErrFenced)
		require.NoError(t, a.Deregister(ctx, run, "h", 5), "does nothing")
		got, err := a.Members(ctx, run)
		require.NoError(t, err)
		require.Equal(t, []Member{of(run, "h", 6)}, got)
	})

	part("the deregistered do not come back", func(t *testing.T, run string, a, b Registry) {
		require.NoError(t, a.Register(ctx, of(run, "h", 5)))
		require.NoError(t, b.Deregister(ctx, run, "h", 5), "by another process")
		got, err := a.Members(ctx, run)
		require.NoError(t, err)
		require.Empty(t, got)
		require.ErrorIs(t, a.Register(ctx, of(run, "h", 5)), ErrFenced)
		require.ErrorIs(t, b.Register(ctx, of(run, "h", 4)), ErrFenced)
		require.NoError(t, a.Register(ctx, of(run, "h", 6)))
	})

	part("watch", func(t *testing.T, run string, a, b Registry) {
		watchCtx, stop := context.WithCancel(ctx)
		defer stop()
		h1, h2 := of(run, "h1", 1), of(run, "h2", 1)
		steps := []struct {
			want []Member
			then func() error
		}{
			{[]Member{}, func() error { return b.Register(ctx, h1) }},
			{[]Member{h1}, func() error { return a.Register(ctx, h2) }},
			{[]Member{h1, h2}, func() error { return b.Deregister(ctx, run, "h1", 1) }},
			{[]Member{h2}, func() error { stop(); return nil }},
		}
		for got, err := range a.Watch(watchCtx, run) {
			if len(steps) == 0 {
				require.ErrorIs(t, err, context.Canceled)
				continue // the iterator itself must end
			}
			require.NoError(t, err)
			if Diff(got, steps[0].want).Empty() {
				require.NoError(t, steps[0].then())
				steps = steps[1:]
			}
		}
		require.Empty(t, steps)
	})

	part("a watch skips to the newest", func(t *testing.T, run string, a, b Registry) {
		last := uint64(8)
		lists := 0
		for got, err := range a.Watch(ctx, run) {
			require.NoError(t, err)
			if lists++; lists == 1 {
				for i := range last {
					require.NoError(t, b.Register(ctx, of(run, "h", i+1)))
				}
			}
			if len(got) == 1 && got[0].Incarnation == last {
				break
			}
		}
		require.LessOrEqual(t, lists, int(last)+1)
	})

	part("a list belongs to its reader", func(t *testing.T, run string, a, b Registry) {
		m := of(run, "h", 1)
		m.Meta = map[string]string{"k": "v"}
		require.NoError(t, a.Register(ctx, m))
		m.Meta["k"] = "changed"
		for range 2 {
			got, err := a.Members(ctx, run)
			require.NoError(t, err)
			require.Equal(t, "v", got[0].Meta["k"])
			got[0].Meta["k"] = "changed"
		}
	})

	part("description", func(t *testing.T, run string, a, b Registry) {
		big := bytes.Repeat([]byte{0, 1, 0xff}, MaxDescription/3)
		for _, d := range [][]byte{[]byte("first"), big, {}} {
			require.NoError(t, a.Describe(ctx, run, d))
			got, err := b.Description(ctx, run)
			require.NoError(t, err)
			require.Equal(t, d, got)
		}
		require.ErrorIs(t, a.Describe(ctx, run, make([]byte, MaxDescription+1)), ErrInvalid)
	})

	part("bad input is refused", func(t *testing.T, run string, a, b Registry) {
		require.ErrorIs(t, a.Register(ctx, of(run, "a/b", 1)), ErrInvalid)
		require.ErrorIs(t, a.Deregister(ctx, run, "a/b", 1), ErrInvalid)
		require.ErrorIs(t, a.Deregister(ctx, "", "h", 1), ErrInvalid)
		require.ErrorIs(t, a.Describe(ctx, "a/b", nil), ErrInvalid)
		_, err := a.Members(ctx, "a/b")
		require.ErrorIs(t, err, ErrInvalid)
		_, err = a.Description(ctx, "a/b")
		require.ErrorIs(t, err, ErrInvalid)
		for _, err := range a.Watch(ctx, "a/b") {
			require.ErrorIs(t, err, ErrInvalid)
		}
	})

	part("an ended context", func(t *testing.T, run string, a, b Registry) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, a.Register(ended, of(run, "h", 1)), context.Canceled)
		_, err := a.Members(ended, run)
		require.ErrorIs(t, err, context.Canceled)
		for _, err := range a.Watch(ended, run) {
			require.ErrorIs(t, err, context.Canceled)
		}
	})

	part("close", func(t *testing.T, run string, a, b Registry) {
		require.NoError(t, a.Register(ctx, of(run, "h", 1)))
		require.NoError(t, a.Describe(ctx, run, []byte("d")))
		for got, err := range a.Watch(ctx, run) {
			if err != nil {
				require.ErrorIs(t, err, ErrClosed)
				continue
			}
			require.Len(t, got, 1)
			require.NoError(t, a.Close(ctx))
		}
		require.NoError(t, a.Close(ctx), "again")
		require.ErrorIs(t, a.Register(ctx, of(run, "h", 2)), ErrClosed)
		_, err := a.Members(ctx, run)
		require.ErrorIs(t, err, ErrClosed)
		if f.shared {
			return
		}
		got, err := b.Members(ctx, run)
		require.NoError(t, err)
		require.Empty(t, got)
		_, err = b.Description(ctx, run)
		require.ErrorIs(t, err, ErrNoDescription)
	})
}
