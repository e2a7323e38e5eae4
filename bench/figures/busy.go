package figures

import (
	"os"
	"strconv"
	"strings"
)

// Processors is for how long this machine's processors have done something, and for how long they have been there, since it was started; in the
// kernel's ticks. Zeros where the kernel does not tell.
type Processors struct{ Busy, All int64 }

// ProcessorsNow reads them.
func ProcessorsNow() Processors {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Processors{}
	}
	return parseProcessors(string(text))
}

func parseProcessors(stat string) (p Processors) {
	line, _, _ := strings.Cut(stat, "\n")
	const idle, wait, guest = 4, 5, 9 // idle, waiting for disks; guests are in the first two as well
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil || i >= guest {
			continue // its name, cpu
		}
		p.All += ticks
		if i != idle && i != wait {
			p.Busy += ticks
		}
	}
	return p
}

// Since is which part of the time since another reading they were busy, 0 to 1.
func (p Processors) Since(before Processors) float64 {
	if p.All <= before.All {
		return 0
	}
	return float64(p.Busy-before.Busy) / float64(p.All-before.All)
}
