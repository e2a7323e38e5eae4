//go:build linux && hosts

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/capture"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
	"github.com/tartrl/tlaunch-go/transmit"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	leak.Main(m)
}

func TestPython(t *testing.T) {
	learner, err := filepath.Abs("learner")
	require.NoError(t, err)
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.InProcess(nil), "processes": tlaunch.Processes(nil)} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), program, Config{Steps: 200, Batches: 150, Learner: learner}, launch)
			require.NoError(t, err, log)
			require.Contains(t, log, "version=151")
		})
	}
}

// operations has a command use all that the client has.
var operations = tlaunch.Define("python-operations", func(p *tlaunch.Program, folder string) error {
	data := tlaunch.Add(p, "data", transmit.NewNode(transmit.Config{Tables: []transmit.Table{
		transmit.Queue("queue", 2), {Name: "typed", Columns: []transmit.Column{{Name: "x", Type: transmit.Int64, Shape: []int{1}}}},
	}}))
	tlaunch.AddCommand(p, "script", tlaunch.Command{
		Path: "python3", Args: []string{"-B", filepath.Join(folder, "testdata", "operations.py")}, Env: map[string]string{"PYTHONPATH": filepath.Join(folder, "learner")},
	}, tlaunch.Talk(transmit.Gateway{Node: data}))
	return nil
}, tlaunch.LocalHosts(1))

func TestClient(t *testing.T) {
	here, err := os.Getwd()
	require.NoError(t, err)
	log, err := capture.Run(t.Context(), operations, here)
	require.NoError(t, err, log)
}
