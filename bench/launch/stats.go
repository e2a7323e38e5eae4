package launch

import (
	"fmt"
	"slices"
)

// spread is what is told of several figures.
type spread struct{ median, min, max float64 }

// spreadOf wants at least one figure.
func spreadOf(figures []float64) spread {
	s := slices.Sorted(slices.Values(figures))
	middle := len(s) / 2
	median := s[middle]
	if len(s)%2 == 0 {
		median = (s[middle-1] + s[middle]) / 2
	}
	return spread{median, s[0], s[len(s)-1]}
}

func (s spread) String() string { return fmt.Sprintf("%.3f (%.3f to %.3f)", s.median, s.min, s.max) }

// target is what our time may be at most, as a part of a peer's; ok is false where nothing was promised.
func target(mode, peer string, sameKeyExchange bool) (most float64, ok bool) {
	switch {
	case mode == warm && peer == pdsh && sameKeyExchange:
		return 1.3, true
	case mode == warm && peer == pdsh:
		return 0.35, true
	case mode == cold && peer == clush:
		return 0.7, true
	}
	return 0, false
}

// What a launcher may take at 64 hosts.
const (
	memoryTarget = 100e6 // bytes
	memoryHosts  = 64
)

// verdict says whether a figure keeps a promise.
func verdict(figure, most float64) string {
	if figure <= most {
		return "met"
	}
	return "not met"
}
