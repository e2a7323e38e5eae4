package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var sampleGPUs = []GPU{
	{Name: "NVIDIA A100-SXM4-80GB", Busy: 93, MemoryUsed: 40 << 30, Memory: 80 << 30, Celsius: 61},
	{Name: "NVIDIA GeForce GT 710", Busy: -1, MemoryUsed: 512 << 20, Memory: 2 << 30, Celsius: -1},
}

func sample(t testing.TB) []byte {
	text, err := os.ReadFile("testdata/nvidia-smi.xml")
	require.NoError(t, err)
	return text
}

func TestParseGPUs(t *testing.T) {
	gpus, err := parseGPUs(sample(t))
	require.NoError(t, err)
	require.Equal(t, sampleGPUs, gpus)

	gpus, err = parseGPUs([]byte("<nvidia_smi_log><attached_gpus>0</attached_gpus></nvidia_smi_log>"))
	require.NoError(t, err)
	require.Empty(t, gpus)

	for _, bad := range []string{"", "NVIDIA-SMI has failed", "<html></html>", "<nvidia_smi_log><gpu></nvidia_smi_log>"} {
		_, err := parseGPUs([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}

func TestQuantity(t *testing.T) {
	for _, c := range []struct {
		text, unit string
		want       int
	}{
		{"93 %", "%", 93}, {"81920 MiB", "MiB", 81920}, {" 0 C ", "C", 0}, {"N/A", "C", -1}, {"", "C", -1},
		{"12", "C", -1}, {"-3 C", "C", -1}, {"99999999999 MiB", "MiB", -1}, {"[Unknown Error]", "%", -1},
	} {
		require.Equal(t, c.want, quantity(c.text, c.unit, -1), "%q", c.text)
	}
}

func FuzzParseGPUs(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("<nvidia_smi_log><gpu><product_name>x</product_name></gpu></nvidia_smi_log>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		gpus, err := parseGPUs(text)
		if err != nil {
			require.Nil(t, gpus)
		}
		for _, g := range gpus {
			require.GreaterOrEqual(t, g.Busy, -1)
			require.GreaterOrEqual(t, g.Celsius, -1)
		}
	})
}
