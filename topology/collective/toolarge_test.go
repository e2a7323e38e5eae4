//go:build linux && (amd64 || arm64)

package collective_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// A slice over the limit is refused where it was given, by name; the others hear of it, and the group can be used afterwards.
func TestTooLarge(t *testing.T) {
	huge, err := syscall.Mmap(-1, 0, int(collective.MaxSize)+8, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE) // addresses, no memory
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(huge)) }()
	g := newTeam(t, actor.Config{}, topology.Tree(2), 3, 3)
	errs := g.all(func(ctx context.Context, w *worker) error {
		if w.Rank() == 1 {
			return collective.Broadcast(ctx, w, 0, huge)
		}
		return collective.Broadcast(ctx, w, 0, []byte{1})
	})
	require.ErrorIs(t, errs[1], collective.ErrTooLarge)
	require.NotErrorIs(t, errs[1], collective.ErrAborted)
	require.ErrorContains(t, errs[1], "at w/1: ")
	require.ErrorContains(t, errs[1], "in parts")
	require.ErrorIs(t, errs[0], collective.ErrTooLarge)
	require.ErrorIs(t, errs[0], collective.ErrAborted)
	require.ErrorContains(t, errs[0], "w/1: ")
	for _, err := range g.all(func(ctx context.Context, w *worker) error {
		return collective.Broadcast(ctx, w, 0, huge)
	}) {
		require.ErrorIs(t, err, collective.ErrTooLarge)
	}
	g.do(func(ctx context.Context, w *worker) error { return collective.Barrier(ctx, w) })
}
