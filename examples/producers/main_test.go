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

func TestProducers(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		cfg    Config
		times  int // that want is in the log
		want   string
	}{
		{"in process", tlaunch.Encoded(), Config{Rounds: 3}, 1, "producers=3 calls=9 total=48 expected=48"},
		{"in process, two hosts", tlaunch.InProcess(tlaunch.LocalInventory(2)), Config{Rounds: 10}, 1, "producers=1 calls=10 total=285 expected=285"},
		{"processes, three hosts", tlaunch.Processes(tlaunch.LocalInventory(3)), Config{Rounds: 3}, 1, "producers=2 calls=6 total=19 expected=19"},
		{"processes, seven hosts", tlaunch.Processes(tlaunch.LocalInventory(7)), Config{Rounds: 3}, 1, "producers=6 calls=18 total=285 expected=285"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), producers, c.cfg, c.launch)
			require.NoError(t, err)
			require.Equal(t, c.times, strings.Count(log, c.want), log)
		})
	}
}

func TestProducersUntilStopped(t *testing.T) {
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.Encoded(), "processes": tlaunch.Processes(nil)} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Until(t.Context(), producers, Config{}, "collected", launch)
			require.NoError(t, err)
			require.Contains(t, log, "msg=producers", "a run that was stopped has a result too")
		})
	}
}

func TestProducersNeeds(t *testing.T) {
	_, err := producers.Launch(t.Context(), Config{Rounds: 1}, tlaunch.InProcess(tlaunch.LocalInventory(1)))
	require.ErrorContains(t, err, "producers needs at least 2 hosts")
}

func TestConsumerNoticesWrongResults(t *testing.T) {
	c := &Consumer{calls: 1, total: 4, expected: 9}
	require.ErrorContains(t, c.Stop(t.Context()), "1 results add up to 4, not 9")
}
