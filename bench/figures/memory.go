package figures

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// A Memory is what was resident of a process when it had begun, and the most since; in bytes.
type Memory struct{ Begin, Peak float64 }

// ReadMemory reads what the kernel says of this process. fresh begins a new peak, once garbage has been given back. Linux only.
func ReadMemory(fresh bool) (Memory, error) {
	if fresh {
		debug.FreeOSMemory()
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // proc(5): the peak begins anew
			return Memory{}, fmt.Errorf("the memory of a process is measured on Linux: %w", err)
		}
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return Memory{}, fmt.Errorf("the memory of a process is measured on Linux: %w", err)
	}
	return parseMemory(string(text)), nil
}

func parseMemory(status string) (m Memory) {
	const kib = 1024
	for line := range strings.Lines(status) {
		var n float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &n); err == nil {
			m.Begin = n * kib
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &n); err == nil {
			m.Peak = n * kib
		}
	}
	return m
}
