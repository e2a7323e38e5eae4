package main

import (
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/examples/internal/capture"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	leak.Main(m)
}

// idx is an idx file of bytes.
func idx(data []byte, sizes ...uint32) []byte {
	out := []byte{0, 0, 8, byte(len(sizes))}
	for _, size := range sizes {
		out = binary.BigEndian.AppendUint32(out, size)
	}
	return append(out, data...)
}

// writeDigits writes made-up files: each digit is a bright column in noise.
func writeDigits(t *testing.T, dir, set string, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(n), 7))
	const rows, cols = 6, classes
	var pixels, labels []byte
	for range n {
		label := r.IntN(classes)
		labels = append(labels, byte(label))
		for at := range rows * cols {
			p := r.IntN(60)
			if at%cols == label {
				p += 60
			}
			pixels = append(pixels, byte(p))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, set+"-images-idx3-ubyte"), idx(pixels, uint32(n), rows, cols), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, set+"-labels-idx1-ubyte"), idx(labels, uint32(n)), 0o600))
}

func madeUp(t *testing.T) string {
	dir := t.TempDir()
	writeDigits(t, dir, "train", 1500)
	writeDigits(t, dir, "t10k", 203) // not the same number for all shards
	return dir
}

// The weights after 100 steps are the same bits for any number of workers, wherever they are.
func TestSameBits(t *testing.T) {
	cfg := Config{Data: madeUp(t), Epochs: 3, Steps: 100, Batch: 32, Shards: 4, Hidden: 16, Rate: 0.005, Seed: 1}
	result := regexp.MustCompile(`msg=mnist .*workers=(\d) steps=100 accuracy=(\S+) seconds=\S+ weights=(\S+)`)
	var first []string
	for _, c := range []struct {
		name, workers string
		launch        tlaunch.Option
	}{
		{"one", "1", tlaunch.InProcess(tlaunch.LocalInventory(1))},
		{"three", "3", tlaunch.InProcess(tlaunch.LocalInventory(3))}, // one has two shards
		{"four", "4", tlaunch.Encoded()},
		{"four processes", "4", tlaunch.Processes(tlaunch.LocalInventory(4))},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := []tlaunch.Option{c.launch}
			if c.name == "four" {
				opts = append(opts, tlaunch.InProcess(tlaunch.LocalInventory(4)))
			}
			log, err := capture.Run(t.Context(), mnist, cfg, opts...)
			require.NoError(t, err)
			found := result.FindAllStringSubmatch(log, -1)
			require.Len(t, found, 1, log)
			require.Equal(t, c.workers, found[0][1])
			if first == nil {
				first = found[0]
			}
			require.Equal(t, first[2:], found[0][2:])
		})
	}
	require.Regexp(t, `^(1|0\.9\d*)$`, first[2], "it has learnt what the columns mean")
	other := cfg
	other.Seed = 2
	log, err := capture.Run(t.Context(), mnist, other, tlaunch.InProcess(tlaunch.LocalInventory(1)))
	require.NoError(t, err)
	require.NotContains(t, log, first[3])
}

// What is explained is the operation that is done, from measures; it changes nothing.
func TestExplain(t *testing.T) {
	cfg := Config{Data: madeUp(t), Epochs: 1, Steps: 2, Batch: 32, Shards: 4, Hidden: 16, Rate: 0.005, Seed: 1, Explain: true}
	var printed strings.Builder
	_, err := capture.Run(t.Context(), mnist, cfg, tlaunch.Processes(tlaunch.LocalInventory(3)), tlaunch.OnRecord(func(r tlaunch.Record) {
		if r.Stream == bootstrap.Stdout {
			printed.WriteString(r.Text + "\n")
		}
	}))
	require.NoError(t, err)
	require.Contains(t, printed.String(), "AllReduce of ")
	require.Contains(t, printed.String(), "3 members on 3 hosts: Ring in chunks of ")
	require.Contains(t, printed.String(), "measured: links of ")
}

// A run that is stopped while all add up gradients, or test, ends as one that was stopped, not as one that failed.
func TestMnistUntilStopped(t *testing.T) {
	cfg := Config{Data: madeUp(t), Epochs: 1 << 30, Batch: 32, Shards: 4, Hidden: 16, Rate: 0.005, Seed: 1}
	for name, launch := range map[string]tlaunch.Option{"in process": tlaunch.InProcess(tlaunch.LocalInventory(3)), "processes": tlaunch.Processes(tlaunch.LocalInventory(3))} {
		t.Run(name, func(t *testing.T) {
			log, err := capture.Until(t.Context(), mnist, cfg, "training", launch)
			require.NoError(t, err)
			require.Contains(t, log, "msg=training")
			require.NotContains(t, log, "a tell failed")
		})
	}
}

func TestNotGoodEnough(t *testing.T) {
	cfg := Config{Data: madeUp(t), Epochs: 1, Batch: 100, Shards: 2, Hidden: 2, Rate: 1e-6, Seed: 1, Target: 0.97}
	_, err := capture.Run(t.Context(), mnist, cfg, tlaunch.InProcess(tlaunch.LocalInventory(2)))
	require.ErrorContains(t, err, "97.00 % were asked for")
}

func TestRunsAway(t *testing.T) {
	data := Digits{Rows: 1, Cols: 1, Pixels: []byte{255, 255}, Labels: []byte{0, 1}}
	tr := newTrainer(Config{Batch: 2, Shards: 1, Hidden: 1}, data, 0, 1)
	for i := range tr.shards[0].net.Values() {
		tr.shards[0].net.Values()[i] = 1e30
	}
	require.ErrorContains(t, tr.gradients(0, 0), "try a smaller -rate")
}

func TestBadConfigurations(t *testing.T) {
	good := Config{Data: "/nonexistent", Epochs: 1, Batch: 8, Shards: 4, Hidden: 1, Rate: 0.1}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no data":       {func(*Config) {}, "`make data` gets the files"},
		"few shards":    {func(c *Config) { c.Shards, c.Batch = 1, 1 }, "each of the 2 hosts needs at least one"},
		"uneven":        {func(c *Config) { c.Batch = 9 }, "a multiple of that"},
		"no units":      {func(c *Config) { c.Hidden = 0 }, "-hidden"},
		"rate":          {func(c *Config) { c.Rate = 2 }, "-rate"},
		"target":        {func(c *Config) { c.Target = 97 }, "-target"},
		"no rate":       {func(c *Config) { c.Rate = 0 }, "-rate"},
		"negative step": {func(c *Config) { c.Steps = -1 }, "-steps"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			_, err := capture.Run(t.Context(), mnist, cfg, tlaunch.InProcess(tlaunch.LocalInventory(2)))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestCurves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mnist.svg")
	c := &curves{}
	c.add(tlaunch.Record{Text: "tested"}) // nobody has asked for a picture
	require.Error(t, c.open(filepath.Join(path, "x")))
	require.NoError(t, c.open(path))
	attrs := func(pairs ...string) (all []bootstrap.Attr) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, bootstrap.Attr{Key: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	for _, r := range []tlaunch.Record{
		{Level: slog.LevelInfo, Text: "training", Attrs: attrs("epoch", "1", "step", "50", "loss", "0.5")},
		{Level: slog.LevelInfo, Text: "training", Attrs: attrs("epoch", "1", "step", "100", "loss", "0.25")},
		{Level: slog.LevelInfo, Text: "something else"},
		{Level: slog.LevelInfo, Text: "tested", Attrs: attrs("epoch", "1", "step", "100", "accuracy", "0.9")},
	} {
		c.add(r)
	}
	require.Equal(t, []float64{50, 100}, c.loss.X)
	require.Equal(t, []float64{0.5, 0.25}, c.loss.Y)
	require.Equal(t, []float64{0.9}, c.accuracy.Y)
	drawn, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(drawn), "<circle")
}
