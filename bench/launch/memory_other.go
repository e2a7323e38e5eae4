//go:build !linux

package launch

func peakMemory() int64 { return 0 }
