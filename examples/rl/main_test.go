package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/examples/internal/capture"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
	"github.com/tartrl/tlaunch-go/learning"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	leak.Main(m)
}

// short is a goal that is reached in some hundreds of updates: who pushes to and fro has 20.
func short() Config {
	return Config{Task: "cartpole", Goal: 40, Seed: 1, Updates: 5_000, Judged: 20}
}

// Between processes it is enough that all have their part in it: that they learn is shown in one process, and costs less there.
func TestRL(t *testing.T) {
	asked := short()
	asked.Inference, asked.Goal, asked.Judged = true, 1, window
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		cfg    Config
	}{
		{"in process", tlaunch.Encoded(), short()},
		{"processes", tlaunch.Processes(tlaunch.LocalInventory(2)), asked},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), rl, c.cfg, c.launch)
			require.NoError(t, err, log)
			require.Contains(t, log, "msg=solved")
		})
	}
}

// A run goes on where the one before was, and its counters with it.
func TestResume(t *testing.T) {
	cfg := short()
	cfg.Resume, cfg.JSON = filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "counters")
	cfg.Goal, cfg.Updates, cfg.Judged = 475, 30, 2
	_, err := capture.Run(t.Context(), rl, cfg)
	require.ErrorContains(t, err, "after 30 updates the mean return over the last 2 episodes is ")
	cfg.Updates = 50
	log, err := capture.Run(t.Context(), rl, cfg)
	require.ErrorContains(t, err, "after 50 updates the mean return over the last 4 episodes is ")
	require.Contains(t, log, "msg=resumed updates=30")
	restored := regexp.MustCompile(`restored tables from a checkpoint.* steps=(\d+)`).FindStringSubmatch(log)
	require.NotEmpty(t, restored, log)
	require.GreaterOrEqual(t, len(restored[1]), 4, "replay has the 1000 items and more that the first run sampled from")
	require.Contains(t, log, "msg=acting life=2", "actors begin after the learner has told of their earlier lives")

	text, err := os.ReadFile(cfg.JSON)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	var last learning.Counters
	require.NoError(t, json.Unmarshal(lines[len(lines)-1], &last))
	require.Equal(t, 50, last.Updates)
	require.Contains(t, slices.Collect(maps.Values(last.Lives)), 2)

	cfg.Task = "acrobot"
	_, err = capture.Run(t.Context(), rl, cfg)
	require.ErrorContains(t, err, "has a network of another task")
}

func TestBadConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`-task "chess": it is cartpole or acrobot`: func(c *Config) { c.Task = "chess" },
		`-resume "run": give the whole path`:       func(c *Config) { c.Resume = "run" },
		"both must be positive":                    func(c *Config) { c.Judged = 0 },
	} {
		cfg := short()
		change(&cfg)
		_, err := rl.Launch(t.Context(), cfg)
		require.ErrorContains(t, err, want)
	}
}

func TestPlot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "returns.svg")
	p := &returns{}
	p.record(tlaunch.Record{Text: "progress"})
	require.NoFileExists(t, file)
	require.ErrorIs(t, p.open(filepath.Join(file, "none")), os.ErrNotExist, "a bad path is told before the run")
	require.NoError(t, p.open(file))
	p.record(tlaunch.Record{Text: "other"})
	for seconds := range 3 {
		p.record(tlaunch.Record{Text: "progress", Level: slog.LevelInfo, Attrs: []bootstrap.Attr{
			{Key: "seconds", Value: fmt.Sprint(seconds)}, {Key: "actors", Value: "20.5"}, {Key: "other", Value: "x"},
		}})
	}
	require.Equal(t, []float64{0, 1, 2}, p.series[0].X)
	require.Equal(t, []float64{20.5, 20.5, 20.5}, p.series[0].Y)
	require.Empty(t, p.series[1].X)
	picture, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(picture), "<svg")
}
