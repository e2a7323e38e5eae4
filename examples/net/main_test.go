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

func TestNet(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		cfg    Config
		times  int // that want is in the log
		want   string
	}{
		{"in process", tlaunch.Encoded(), Config{Rounds: 3}, 5, "from=4 messages=12 total=24 expected=24"},
		{"in process, two hosts", tlaunch.InProcess(tlaunch.LocalInventory(2)), Config{Rounds: 100}, 2, "from=1 messages=100 total=5050 expected=5050"},
		{"processes", tlaunch.Processes(nil), Config{Rounds: 3}, 5, "from=4 messages=12 total=24 expected=24"},
		{"processes, three hosts", tlaunch.Processes(tlaunch.LocalInventory(3)), Config{Rounds: 20}, 3, "from=2 messages=40 total=420 expected=420"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), net, c.cfg, c.launch)
			require.NoError(t, err)
			require.Equal(t, c.times, strings.Count(log, c.want), log)
		})
	}
}

func TestNetUntilStopped(t *testing.T) {
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.Encoded(), "processes": tlaunch.Processes(nil)} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Until(t.Context(), net, Config{}, "sent", launch)
			require.NoError(t, err)
			require.Contains(t, log, "msg=net", "a run that was stopped has a result too")
		})
	}
}

func TestNetNeeds(t *testing.T) {
	_, err := net.Launch(t.Context(), Config{Rounds: 1}, tlaunch.InProcess(tlaunch.LocalInventory(1)))
	require.ErrorContains(t, err, "net needs at least 2 hosts")
}

func TestPeerNoticesLoss(t *testing.T) {
	p := &Peer{rounds: 1, received: make([]int, 2)}
	taken, err := p.Add(t.Context(), Number{From: 0, Value: 2})
	require.NoError(t, err)
	require.Equal(t, 1, taken)
	require.ErrorContains(t, p.Stop(t.Context()), "1 messages with a total of 2 arrived, not 1 with 1")
	_, err = p.Add(t.Context(), Number{From: 2, Value: 1})
	require.ErrorContains(t, err, "no other peer 2")
}
