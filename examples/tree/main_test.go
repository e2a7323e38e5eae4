package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/capture"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	leak.Main(m)
}

func TestTree(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		cfg    Config
		times  int // that want is in the log
		want   string
	}{
		{"in process", tlaunch.Encoded(), Config{Rounds: 3}, 1, "leaves=4 rounds=3 numbers=12 total=24 expected=24"},
		{"in process, three hosts", tlaunch.InProcess(tlaunch.LocalInventory(3)), Config{Rounds: 100}, 1, "leaves=2 rounds=100 numbers=200 total=10100 expected=10100"},
		{"in process, 20 hosts", tlaunch.InProcess(tlaunch.LocalInventory(20)), Config{Rounds: 10}, 1, "leaves=10 rounds=10 numbers=100 total=550 expected=550"},
		{"processes", tlaunch.Processes(nil), Config{Rounds: 3}, 1, "leaves=4 rounds=3 numbers=12 total=24 expected=24"},
		{"processes, four hosts", tlaunch.Processes(tlaunch.LocalInventory(4)), Config{Rounds: 5}, 1, "leaves=2 rounds=5 numbers=10 total=30 expected=30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), tree, c.cfg, c.launch)
			require.NoError(t, err)
			require.Equal(t, c.times, strings.Count(log, c.want), log)
		})
	}
}

func TestTreeUntilStopped(t *testing.T) {
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.Encoded(), "processes": tlaunch.Processes(nil)} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Until(t.Context(), tree, Config{}, "complete", launch)
			require.NoError(t, err)
			require.Contains(t, log, "msg=tree", "a run that was stopped has a result too")
		})
	}
}

func TestTreeNeeds(t *testing.T) {
	_, err := tree.Launch(t.Context(), Config{Rounds: 1}, tlaunch.InProcess(tlaunch.LocalInventory(2)))
	require.ErrorContains(t, err, "tree needs at least 3 hosts")
}

func TestLeafNoticesLoss(t *testing.T) {
	leaf := &Leaf{}
	_, err := leaf.Give(t.Context(), 1)
	require.NoError(t, err)
	_, err = leaf.Give(t.Context(), 3)
	require.ErrorContains(t, err, "asked for round 3, but 2 is next")
}

func TestRootNoticesLoss(t *testing.T) {
	root := &Root{leaves: 2, complete: 1, numbers: 1, total: 1}
	require.ErrorContains(t, root.Stop(t.Context()), "1 numbers with a total of 1 arrived, not 2 with 2")
}
