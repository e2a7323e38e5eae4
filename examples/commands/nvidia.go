package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A GPU is one device as nvidia-smi sees it.
type GPU struct {
	Name               string
	Busy               int    // percent; -1: unknown
	MemoryUsed, Memory uint64 // bytes; 0: unknown
	Celsius            int    // -1: unknown
}

// nvidiaLog is the part of "nvidia-smi -x -q" that is shown.
type nvidiaLog struct {
	XMLName xml.Name `xml:"nvidia_smi_log"`
	GPUs    []struct {
		Name    string `xml:"product_name"`
		Busy    string `xml:"utilization>gpu_util"`
		Used    string `xml:"fb_memory_usage>used"`
		Total   string `xml:"fb_memory_usage>total"`
		Celsius string `xml:"temperature>gpu_temp"`
	} `xml:"gpu"`
}

// parseGPUs reads what "nvidia-smi -x -q" prints.
func parseGPUs(text []byte) ([]GPU, error) {
	var log nvidiaLog
	if err := xml.Unmarshal(text, &log); err != nil {
		return nil, fmt.Errorf("nvidia-smi: %w", err)
	}
	var gpus []GPU
	for _, g := range log.GPUs {
		gpus = append(gpus, GPU{
			Name:       strings.TrimSpace(g.Name),
			Busy:       quantity(g.Busy, "%", -1),
			MemoryUsed: uint64(quantity(g.Used, "MiB", 0)) << 20,
			Memory:     uint64(quantity(g.Total, "MiB", 0)) << 20,
			Celsius:    quantity(g.Celsius, "C", -1),
		})
	}
	return gpus, nil
}

// quantity reads a number with its unit, such as "81559 MiB". Devices that
// cannot measure something say "N/A", or leave it out.
func quantity(text, unit string, unknown int) int {
	number, ok := strings.CutSuffix(strings.TrimSpace(text), unit)
	if !ok {
		return unknown
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil {
		return unknown
	}
	return int(n)
}

// nvidiaPatience is how long nvidia-smi may take: with a broken driver it hangs.
const nvidiaPatience = 10 * time.Second

// gpus asks nvidia-smi. A host without it has no GPUs, as far as we can tell.
func gpus(ctx context.Context) ([]GPU, error) {
	path, err := exec.LookPath("nvidia-smi")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, nvidiaPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-x", "-q")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("nvidia-smi: %w", err)
	}
	return parseGPUs(out)
}
