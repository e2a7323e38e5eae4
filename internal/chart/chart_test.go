package chart

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the pictures that tests compare with")

// wellFormed reads a picture to its end.
func wellFormed(t *testing.T, picture string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

func TestPicture(t *testing.T) {
	sizes := []float64{1 << 10, 1 << 16, 1 << 20, 1 << 26}
	picture := SVG(
		Chart{
			Title: "Broadcast to 7 hosts", X: Axis{Label: "size", Log: true, Base: 4, Format: Bytes}, Y: Axis{Label: "time", Log: true, Format: Seconds},
			Series: []Series{
				{Name: "chain", X: sizes, Y: []float64{0.0012, 0.0019, 0.012, 0.56}, Dots: true},
				{Name: "star <\"&>", X: sizes, Y: []float64{0.0006, 0.003, 0.061, 3.9}, Dots: true},
				{Name: "bound", X: sizes, Y: []float64{0.00001, 0.0005, 0.0088, 0.54}, Dashed: true},
			},
		},
		Chart{
			Title: "Loss", X: Axis{Label: "step"}, Y: Axis{Label: "loss", Zero: true},
			Series: []Series{{Name: "training", X: []float64{0, 100, 200, 300, 400}, Y: []float64{2.3, 0.9, math.NaN(), 0.31, 0.25}}},
		},
	)
	wellFormed(t, picture)
	path := filepath.Join("testdata", "lines.svg")
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(picture), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), picture, "if the new one looks right, run go test -rewrite")
}

func TestScales(t *testing.T) {
	for name, c := range map[string]struct {
		axis     Axis
		values   []float64
		ticks    []float64
		min, max float64
	}{
		"from the data":    {Axis{}, []float64{3, 17}, []float64{2, 4, 6, 8, 10, 12, 14, 16, 18}, 2, 18},
		"from zero":        {Axis{Zero: true}, []float64{3, 17}, []float64{0, 5, 10, 15, 20}, 0, 20},
		"below zero":       {Axis{Zero: true}, []float64{-3, -1}, []float64{-3, -2.5, -2, -1.5, -1, -0.5, 0}, -3, 0},
		"one value":        {Axis{}, []float64{7, 7}, []float64{3, 4, 5, 6, 7, 8, 9, 10, 11}, 3, 11},
		"only zero":        {Axis{}, []float64{0}, []float64{-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6}, -0.6, 0.6},
		"nothing":          {Axis{}, nil, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}, 0, 1},
		"decades":          {Axis{Log: true}, []float64{0.002, 1}, []float64{0.001, 0.01, 0.1, 1}, 0.001, 1},
		"powers of four":   {Axis{Log: true, Base: 4}, []float64{4, 60}, []float64{4, 16, 64}, 4, 64},
		"one power":        {Axis{Log: true}, []float64{10}, []float64{10, 100}, 10, 100},
		"nothing on a log": {Axis{Log: true}, nil, []float64{1, 10}, 1, 10},
		"neighbours":       {Axis{}, []float64{1, math.Nextafter(1, 2)}, []float64{0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6}, 0.4, 1.6},
		"very far":         {Axis{}, []float64{-farthest, farthest}, nil, 0, 0},
		"far on a log":     {Axis{Log: true}, []float64{1 / farthest, farthest}, nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.axis.scale(c.values, 7)
			if c.ticks != nil {
				require.InDeltaSlice(t, c.ticks, s.ticks, 1e-9)
				require.InDelta(t, c.min, s.min, 1e-9)
				require.InDelta(t, c.max, s.max, 1e-9)
			}
			require.LessOrEqual(t, len(s.ticks), 15)
			s.from, s.to = 100, 200
			for _, v := range c.values {
				require.GreaterOrEqual(t, s.at(v), 100.0)
				require.LessOrEqual(t, s.at(v), 200.0)
			}
		})
	}
}

func TestTexts(t *testing.T) {
	require.Equal(t, "0.3", (&Axis{}).text(3*0.1))
	require.Equal(t, []string{"512 B", "64 KiB", "1.5 MiB", "2048 PiB"}, []string{Bytes(512), Bytes(65536), Bytes(1.5 * (1 << 20)), Bytes(1 << 61)})
	require.Equal(t, []string{"0 s", "2 s", "20 ms", "1 ms", "3 µs"}, []string{Seconds(0), Seconds(2), Seconds(0.02), Seconds(math.Pow(10, -3)), Seconds(3e-6)})
}

// Whatever was measured, there is a picture.
func FuzzSVG(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 4.0, false, "a")
	f.Add(0.0, -1.0, math.Inf(1), math.NaN(), true, "<&\"")
	f.Add(math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, true, "")
	f.Add(math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64, false, "")
	f.Fuzz(func(t *testing.T, a, b, c, d float64, log bool, name string) {
		picture := SVG(Chart{
			X: Axis{Log: log}, Y: Axis{Log: log, Format: Seconds},
			Series: []Series{{Name: strings.ToValidUTF8(name, ""), X: []float64{a, b}, Y: []float64{c, d, a}, Dots: true}},
		})
		require.NotContains(t, picture, "NaN")
		require.NotContains(t, picture, "Inf")
	})
}
