package plot

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

func TestMain(m *testing.M) { leak.Main(m) }

type node struct{ collective.Member }

func (*node) Run(context.Context) error { return nil }

func TestSealed(t *testing.T) {
	group := func() *collective.Group {
		g := collective.Over(topology.Star())
		collective.Join(g, actor.NewRef[*node](actor.NewTable(), "middle/0"), &node{}, "host1")
		return g
	}
	require.NoError(t, Sealed(group()))
	require.ErrorIs(t, Sealed(collective.Over(topology.Star())), topology.ErrEmpty)

	Flag()
	path := filepath.Join(t.TempDir(), "star.svg")
	require.NoError(t, flag.Set("plot", path))
	defer func() { require.NoError(t, flag.Set("plot", "")) }()
	require.NoError(t, Sealed(group()))
	drawn, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(drawn), "middle/0")
	require.NoError(t, flag.Set("plot", filepath.Join(path, "x")))
	require.ErrorContains(t, Sealed(group()), "-plot: ")
}
