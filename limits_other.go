//go:build !linux

package tlaunch

// dataSize is what the system counts against RLIMIT_DATA; 0: not known.
func dataSize() uint64 { return 0 }
