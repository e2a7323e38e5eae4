package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/capture"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	leak.Main(m)
}

func TestWeights(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		cfg    Config
		times  int // that want is in the log
		want   string
	}{
		{"in process", tlaunch.Encoded(), Config{Rounds: 20, Every: 2 * time.Millisecond, Layer: 1 << 16}, 6, "last=20 expected=20"},
		{"in process, two hosts", tlaunch.InProcess(tlaunch.LocalInventory(2)), Config{Rounds: 5, Layer: 1}, 1, "last=5 expected=5"},
		{"processes, three hosts", tlaunch.Processes(tlaunch.LocalInventory(3)), Config{Rounds: 20, Every: 10 * time.Millisecond, Layer: 1 << 16}, 2, "last=20 expected=20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), weights, c.cfg, c.launch)
			require.NoError(t, err)
			require.Equal(t, c.times, strings.Count(log, c.want), log)
		})
	}
}

func TestWeightsUntilStopped(t *testing.T) {
	for name, c := range map[string]struct {
		launch tlaunch.Option
		every  time.Duration
	}{
		"in process":                    {tlaunch.Encoded(), 10 * time.Millisecond},
		"in process, as fast as it can": {tlaunch.Encoded(), 0},
		"processes":                     {tlaunch.Processes(tlaunch.LocalInventory(3)), 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Until(t.Context(), weights, Config{Every: c.every, Layer: 100}, "read", c.launch)
			require.NoError(t, err)
			require.Contains(t, log, "msg=weights", "a run that was stopped has a result too")
		})
	}
}

func TestWeightsNeeds(t *testing.T) {
	_, err := weights.Launch(t.Context(), Config{Rounds: 1}, tlaunch.InProcess(tlaunch.LocalInventory(1)))
	require.ErrorContains(t, err, "weights needs at least 2 hosts")
}

func TestReaderNotices(t *testing.T) {
	r := &Reader{cfg: Config{Rounds: 9}, last: 8}
	require.ErrorContains(t, r.Stop(t.Context()), "the last version that was read is 8, not 9")
	require.Equal(t, 9, changed(9, 1))
	require.Equal(t, 8, changed(9, 0))
	require.Equal(t, 2, changed(9, 2))
	require.Zero(t, changed(1, 2))
	set := map[string]tensor.Tensor{"version": tensor.Scalar(int64(9))}
	for layer := range layers {
		set[name(layer)] = tensor.Scalar(float32(changed(9, layer)))
	}
	require.NoError(t, r.look(&collective.Version{Number: 1, Tensors: set}))
	set[name(3)] = tensor.Scalar(float32(11))
	require.ErrorContains(t, r.look(&collective.Version{Number: 2, Tensors: set}), "layer/3 of version 9 has a 11, and not 3")
}
