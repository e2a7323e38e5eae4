package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tool puts a nvidia-smi that is this script first on the PATH.
func tool(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestMeasure(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no nvidia-smi
	s, err := measure(t.Context())
	require.NoError(t, err)
	require.Positive(t, s.CPUs)
	require.Positive(t, s.Memory)
	require.Positive(t, s.Disk)
	require.LessOrEqual(t, s.DiskUsed, s.Disk)
	require.Empty(t, s.GPUs)
	require.Empty(t, s.GPUError)
}

func TestMeasureGPUs(t *testing.T) {
	path, err := filepath.Abs("testdata/nvidia-smi.xml")
	require.NoError(t, err)
	tool(t, `[ "$1 $2" = "-x -q" ] && cat "`+path+`"`)
	s, err := measure(t.Context())
	require.NoError(t, err)
	require.Equal(t, sampleGPUs, s.GPUs)
}

func TestMeasureWithBrokenDriver(t *testing.T) {
	tool(t, "echo 'NVIDIA-SMI has failed'; exit 9")
	s, err := measure(t.Context())
	require.NoError(t, err, "a host without a working driver still has load, memory and disk")
	require.Equal(t, "nvidia-smi: exit status 9", s.GPUError)
	require.Positive(t, s.Memory)
}
