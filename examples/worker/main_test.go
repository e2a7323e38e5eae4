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

func TestWorker(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		cfg    Config
		times  int // that want is in the log
		want   string
	}{
		{"in process", tlaunch.Encoded(), Config{Workers: 2, Rounds: 3}, 4, "of=4 numbers=30000"},
		{"in process, one of them", tlaunch.Encoded(), Config{Workers: 2, Rounds: 3}, 1, "id=3 of=4 numbers=30000 primes=2708"},
		{"in process, one host", tlaunch.InProcess(tlaunch.LocalInventory(1)), Config{Workers: 1, Rounds: 1}, 1, "id=0 of=1 numbers=10000 primes=1229"},
		{"processes", tlaunch.Processes(nil), Config{Workers: 2, Rounds: 3}, 4, "of=4 numbers=30000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), worker, c.cfg, c.launch)
			require.NoError(t, err)
			require.Equal(t, c.times, strings.Count(log, c.want), log)
		})
	}
}

func TestWorkerUntilStopped(t *testing.T) {
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.Encoded(), "processes": tlaunch.Processes(nil)} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Until(t.Context(), worker, Config{Workers: 2}, "searched", launch)
			require.NoError(t, err)
			require.Contains(t, log, "msg=worker", "a run that was stopped has a result too")
		})
	}
}

func TestWorkerNeeds(t *testing.T) {
	_, err := worker.Launch(t.Context(), Config{}, tlaunch.InProcess(tlaunch.LocalInventory(1)))
	require.ErrorContains(t, err, "worker needs at least 1 worker")
}

// However the numbers are shared out, there are as many primes.
func TestAllPrimes(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 6} {
		sum := 0
		for id := range workers {
			w := &Worker{id: id, workers: workers, rounds: 6 / workers}
			require.NoError(t, w.Run(t.Context()))
			sum += w.primes
		}
		require.Equal(t, 6057, sum, "%d workers", workers) // below 60,000
	}
}
