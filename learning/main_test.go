package learning

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
	"github.com/tartrl/tlaunch-go/transmit"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience is how long something is waited for that should come at once.
const patience = 2 * time.Minute

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// spawn starts a node in a system of its own, in which all messages are encoded.
func spawn[T any](t testing.TB, key string, value T, spec actor.Spec) actor.Ref[T] {
	table := actor.NewTable()
	ref := actor.NewRef[T](table, key)
	sys := actor.NewSystem(actor.Config{Table: table, Encode: true})
	spec.Key, spec.Value = key, value
	if c, ok := any(value).(interface{ Concurrent() int }); ok {
		spec.Concurrent = c.Concurrent()
	}
	node, err := sys.Spawn(spec)
	require.NoError(t, err)
	require.NoError(t, node.Start(t.Context()))
	t.Cleanup(func() {
		require.NoError(t, node.Stop(context.Background()))
		require.NoError(t, sys.Close(context.Background()))
	})
	return ref
}

func data(t testing.TB, tables ...transmit.Table) transmit.Ref {
	return spawn(t, "data/0", transmit.NewNode(transmit.Config{Tables: tables, Logger: slog.New(slog.DiscardHandler)}), actor.Spec{})
}

// corridor has places from 0; every step goes on, whatever is done, and brings its place as reward. Episodes end at the last place, or are cut off.
type corridor struct {
	place, last, cut int
	began            int // episodes
}

func (c *corridor) Step(int) ([]float32, float64, bool, bool) {
	reward := float64(c.place)
	c.place++
	return []float32{float32(c.place), float32(c.began)}, reward, c.place == c.last, c.place == c.cut
}
