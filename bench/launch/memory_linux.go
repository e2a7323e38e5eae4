package launch

import (
	"fmt"
	"os"
	"strings"
)

// peakMemory is the most that was resident of this process, in bytes; 0 where the kernel does not tell. getrusage would not do: it
// starts with the memory of the process that started this one.
func peakMemory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return parsePeak(string(text))
}

func parsePeak(status string) int64 {
	const kib = 1024
	for line := range strings.Lines(status) {
		var n int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			return n * kib
		}
	}
	return 0
}
