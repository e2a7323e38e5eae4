package learning

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBoard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "counters.json")
	require.NoError(t, os.WriteFile(file, []byte("{}\n"), 0o644))
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b := &Board{Every: 10 * time.Second, JSON: file, Window: 2}
		require.NoError(t, b.Start(ctx))
		for life := 1; life <= 2; life++ {
			got, err := b.Begin(ctx, "actor/0")
			require.NoError(t, err)
			require.Equal(t, life, got)
		}
		require.NoError(t, b.Learned(ctx, Learned{Updates: 50, Version: 7}))
		for i, group := range []string{"actors", "actors", "actors", "greedy"} {
			require.NoError(t, b.Played(ctx, Played{group, Episode{Steps: 10, Return: float64(i), Version: 5 + uint64(i)}}))
		}
		require.Empty(t, log.String())
		time.Sleep(10 * time.Second)
		require.NoError(t, b.Learned(ctx, Learned{Updates: 50}))
		want := Counters{Seconds: 10, Steps: 40, Episodes: 4, Updates: 100, Version: 7, Staleness: 0,
			Lives: map[string]int{"actor/0": 2}, Returns: map[string]float64{"actors": 1.5, "greedy": 3}}
		got, err := b.Counters(ctx)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Contains(t, log.String(), "progress seconds=10 steps=40 episodes=4 updates=100 version=7 staleness=0 actors=1.5 greedy=3")

		require.NoError(t, b.Played(ctx, Played{"actors", Episode{Steps: 1, Return: 3, Version: 3}}))
		time.Sleep(time.Second)
		require.NoError(t, b.Stop(ctx))
		history, err := b.History(ctx)
		require.NoError(t, err)
		require.Len(t, history, 2)
		require.Equal(t, 2.0, history[1].Staleness)

		text, err := os.ReadFile(file)
		require.NoError(t, err)
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		require.Len(t, lines, 3) // what was there before is kept
		var line Counters
		require.NoError(t, json.Unmarshal(lines[1], &line))
		require.Equal(t, want, line)
	})
}

func TestBoardGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b := &Board{Every: -1}
		require.NoError(t, b.Start(ctx))
		_, err := b.Begin(ctx, "actor/0")
		require.NoError(t, err)
		require.NoError(t, b.Restore(ctx, Counters{Seconds: 100, Steps: 5, Episodes: 4, Updates: 3, Version: 9, Lives: map[string]int{"actor/0": 2}}))
		life, err := b.Begin(ctx, "actor/0")
		require.NoError(t, err)
		require.Equal(t, 4, life)
		got, err := b.Counters(ctx)
		require.NoError(t, err)
		require.Equal(t, Counters{Seconds: 100, Steps: 5, Episodes: 4, Updates: 3, Lives: map[string]int{"actor/0": 4}, Returns: map[string]float64{}}, got)
	})
}

func TestBoardForgetsHistory(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b := &Board{Every: time.Second}
		require.NoError(t, b.Start(ctx))
		const lines = 5000
		for range lines {
			time.Sleep(time.Second)
			require.NoError(t, b.Learned(ctx, Learned{Updates: 1}))
		}
		history, err := b.History(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(history), mostHistory)
		require.Greater(t, len(history), mostHistory/4)
		require.Equal(t, 1, history[0].Updates)
		require.Equal(t, lines, history[len(history)-1].Updates)
	})
}

func TestBoardNeedsItsFile(t *testing.T) {
	require.ErrorIs(t, (&Board{JSON: filepath.Join(t.TempDir(), "none", "counters.json")}).Start(t.Context()), os.ErrNotExist)
}

func TestBoardIsCheckedWithItsProgram(t *testing.T) {
	for path, right := range map[string]bool{"": true, "/var/lib/counters.json": true, filepath.Join(t.TempDir(), "counters.json"): true, "counters.json": false, "run/counters.json": false} {
		if err := (&Board{JSON: path}).Check(); right {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, path)
		}
	}
}

// Returns of an environment that has gone wrong spoil no counters but their own.
func TestBoardWithoutNumbers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "counters.json")
	ctx := t.Context()
	b := &Board{Every: time.Hour, JSON: file, Window: 1}
	require.NoError(t, b.Start(ctx))
	for group, v := range map[string]float64{"nan": math.NaN(), "inf": math.Inf(-1), "good": 2} {
		require.NoError(t, b.Played(ctx, Played{group, Episode{Steps: 1, Return: v}}))
	}
	require.NoError(t, b.Stop(ctx))
	require.NoError(t, b.Played(ctx, Played{"nan", Episode{Steps: 1, Return: 3}}))
	require.NoError(t, b.Stop(ctx))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var lines []map[string]any
	for line := range bytes.Lines(text) {
		var l map[string]any
		require.NoError(t, json.Unmarshal(line, &l))
		lines = append(lines, l)
	}
	require.Len(t, lines, 2)
	require.Equal(t, map[string]any{"nan": nil, "inf": nil, "good": 2.0}, lines[0]["returns"])
	require.Equal(t, 3.0, lines[0]["steps"])
	require.Equal(t, map[string]any{"nan": 3.0, "inf": nil, "good": 2.0}, lines[1]["returns"])
}
