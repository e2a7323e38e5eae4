package actor

import (
	"fmt"
	"log/slog"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	cmap "github.com/orcaman/concurrent-map"
	"github.com/stretchr/testify/require"
)

// A small registry holds what the usual one does, and all that comes after. Maps that other code makes are as ever.
func TestSmallRegistry(t *testing.T) {
	held := func(s *protoactor.ActorSystem) []string {
		var ids []string
		for _, m := range s.ProcessRegistry.LocalPIDs.LocalPIDs {
			m.IterCb(func(id string, _ any) { ids = append(ids, id) })
		}
		return ids
	}
	option := protoactor.WithLoggerFactory(func(*protoactor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) })
	usual, small := newActors(false, option), newActors(true, option)
	require.ElementsMatch(t, held(usual), held(small))
	require.NotEmpty(t, held(small))
	require.Len(t, small.ProcessRegistry.LocalPIDs.LocalPIDs, smallRegistry)
	require.Len(t, cmap.New(), 32)

	for _, id := range held(small) {
		_, ok := small.ProcessRegistry.GetLocal(id)
		require.True(t, ok, id)
	}
	for i := range 10_000 {
		id := fmt.Sprint("node/", i)
		_, added := small.ProcessRegistry.Add(&systemProcess{}, id)
		require.True(t, added)
		_, again := small.ProcessRegistry.Add(&systemProcess{}, id)
		require.False(t, again)
	}
	for i := range 10_000 {
		_, ok := small.ProcessRegistry.GetLocal(fmt.Sprint("node/", i))
		require.True(t, ok)
	}
}
