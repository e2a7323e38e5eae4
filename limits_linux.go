package tlaunch

import (
	"fmt"
	"os"
	"strings"
)

// dataSize is what the system counts against RLIMIT_DATA; 0: not known.
func dataSize() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kib uint64
		if n, _ := fmt.Sscanf(line, "VmData: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
