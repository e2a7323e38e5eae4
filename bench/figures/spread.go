package figures

import (
	"fmt"
	"math"
	"slices"
)

// A Spread is what is told of several figures.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf wants at least one figure.
func SpreadOf(figures []float64) Spread {
	s := slices.Sorted(slices.Values(figures))
	middle := len(s) / 2
	median := s[middle]
	if len(s)%2 == 0 {
		median = (s[middle-1] + s[middle]) / 2
	}
	return Spread{median, s[0], s[len(s)-1]}
}

// String has three digits behind the point, as seconds do.
func (s Spread) String() string { return fmt.Sprintf("%.3f (%.3f to %.3f)", s.Median, s.Min, s.Max) }

// Rounded leaves the digits of a ratio that mean something: four behind the point.
func Rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// Verdict is the word for a promise that was kept, or was not.
func Verdict(kept bool) string {
	if kept {
		return "met"
	}
	return "not met"
}
