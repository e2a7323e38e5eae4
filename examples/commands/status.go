package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A Status is how a host is. Sizes are in bytes.
type Status struct {
	Host               string
	Load               [3]float64 // over 1, 5 and 15 minutes
	CPUs               int
	MemoryUsed, Memory uint64 // used is what new programs could not have
	DiskUsed, Disk     uint64 // of the file system of the working folder
	GPUs               []GPU
	GPUError           string // why nothing is known of them, where there is nvidia-smi
}

// parseLoad reads /proc/loadavg.
func parseLoad(text string) (load [3]float64, err error) {
	fields := strings.Fields(text)
	if len(fields) < len(load) {
		return load, fmt.Errorf("%q is no load: three numbers were expected", text)
	}
	for i := range load {
		if load[i], err = strconv.ParseFloat(fields[i], 64); err != nil {
			return load, fmt.Errorf("%q is no load: %w", text, err)
		}
	}
	return load, nil
}

// parseMemory reads /proc/meminfo.
func parseMemory(text string) (used, total uint64, err error) {
	sizes := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		if name != "MemTotal" && name != "MemAvailable" {
			continue
		}
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 54)
		if err != nil {
			return 0, 0, fmt.Errorf("meminfo: %s: %w", name, err)
		}
		sizes[name] = kib << 10
	}
	total, available := sizes["MemTotal"], sizes["MemAvailable"]
	if len(sizes) < 2 || available > total {
		return 0, 0, errors.New("meminfo does not say how much memory there is and how much of it is available")
	}
	return total - available, total, nil
}

// table draws hosts, each with a line for each of its GPUs.
func table(w io.Writer, all []Status) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tLOAD\tCPUS\tMEMORY\tDISK\tGPU\t\t\t")
	for _, s := range all {
		fmt.Fprintf(t, "%s\t%.2f %.2f %.2f\t%d\t%s\t%s\t", s.Host, s.Load[0], s.Load[1], s.Load[2], s.CPUs, share(s.MemoryUsed, s.Memory), share(s.DiskUsed, s.Disk))
		switch {
		case s.GPUError != "":
			fmt.Fprintf(t, "%s\t\t\t\n", s.GPUError)
		case len(s.GPUs) == 0:
			fmt.Fprintln(t, "none\t\t\t")
		}
		for i, g := range s.GPUs {
			if i > 0 {
				fmt.Fprint(t, "\t\t\t\t\t")
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", g.Name, known(g.Busy, "%d%%"), share(g.MemoryUsed, g.Memory), known(g.Celsius, "%d °C"))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func share(used, total uint64) string {
	if total == 0 {
		return "?"
	}
	const gib = 1 << 30
	return fmt.Sprintf("%.1f of %.1f GiB", float64(used)/gib, float64(total)/gib)
}

func known(n int, format string) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprintf(format, n)
}
