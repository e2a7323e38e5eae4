package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/capture"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	leak.Main(m)
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		cfg    Config
		want   string
	}{
		{"in process", tlaunch.Encoded(), Config{Rounds: 1}, "hosts=4 tables=1 reports=4 expected=4"},
		{"in process, one host", tlaunch.InProcess(tlaunch.LocalInventory(1)), Config{Rounds: 3}, "hosts=1 tables=3 reports=3 expected=3"},
		{"processes", tlaunch.Processes(nil), Config{Rounds: 2, Every: time.Millisecond}, "hosts=4 tables=2 reports=8 expected=8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), commands, c.cfg, c.launch)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(log, c.want), log)
		})
	}
}

func TestRunOnEveryHost(t *testing.T) {
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.InProcess(nil), "processes": tlaunch.Processes(nil)} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var lines []string
			record := tlaunch.OnRecord(func(r tlaunch.Record) {
				mu.Lock()
				defer mu.Unlock()
				if r.Node != "" {
					lines = append(lines, r.Node+"@"+r.Host+" "+r.Text)
				}
			})
			run, err := commands.Launch(t.Context(), Config{Run: `echo "$RANK of $WORLD_SIZE"; exit $((RANK == 3))`}, launch, record)
			require.NoError(t, err)
			err = run.Wait(t.Context())
			require.Equal(t, 1, tlaunch.ExitStatus(err))
			var failed *tlaunch.CommandError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, "command/3", failed.Node)
			require.Contains(t, lines, "command/3@host4 3 of 4")
		})
	}
}

func TestCommandsUntilStopped(t *testing.T) {
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.Encoded(), "processes": tlaunch.Processes(nil)} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Until(t.Context(), commands, Config{Every: time.Hour}, "drawn", launch)
			require.NoError(t, err)
			require.Contains(t, log, "tables=1 reports=4 expected=4")
		})
	}
}

func TestBoardNoticesLoss(t *testing.T) {
	b := &Board{hosts: []string{"a", "b"}, tables: 2, reports: 3}
	require.ErrorContains(t, b.Stop(t.Context()), "3 reports have come, not 4")
}
