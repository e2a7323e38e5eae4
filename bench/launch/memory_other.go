//go:build !linux

package launch

func peakMemory() int64 { return 0 }

func loadAverage() string { return unknown }
