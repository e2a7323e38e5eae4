package chart

import (
	"math"
	"slices"
	"strconv"
)

// A scale is an axis with its data's range: from and to are where its ends are in the picture.
type scale struct {
	log      bool
	min, max float64
	ticks    []float64
	from, to float64
}

// at is where a value is in the picture.
func (s *scale) at(v float64) float64 {
	low, high := s.min, s.max
	if s.log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// scale finds the range and about n ticks.
func (a *Axis) scale(values []float64, n int) scale {
	low, high := 0.0, 1.0
	if a.Log {
		low = 1
	}
	if len(values) > 0 {
		low, high = slices.Min(values), slices.Max(values)
	}
	if a.Log {
		return a.logarithmic(low, high, n)
	}
	if a.Zero {
		low, high = min(low, 0), max(high, 0)
	}
	if high-low <= 1e-9*max(math.Abs(low), math.Abs(high)) {
		// A line of one value runs through the middle; so does one whose ticks would all be the same text.
		margin := max(math.Abs(low)/2, 0.5)
		low, high = low-margin, high+margin
	}
	step := nice((high - low) / float64(n))
	first, last := math.Floor(low/step), math.Ceil(high/step)
	s := scale{min: first * step, max: last * step}
	for i := first; i <= last; i++ {
		s.ticks = append(s.ticks, i*step)
	}
	return s
}

func (a *Axis) logarithmic(low, high float64, n int) scale {
	base := a.Base
	if base <= 1 {
		base = 10
	}
	// A value that is a power of the base is its own tick, though its logarithm may be off by a little.
	const slack = 1e-9
	first := math.Floor(math.Log(low)/math.Log(base) + slack)
	last := math.Ceil(math.Log(high)/math.Log(base) - slack)
	if last <= first {
		last = first + 1
	}
	s := scale{log: true, min: math.Pow(base, first), max: math.Pow(base, last)}
	every := math.Ceil((last - first) / float64(2*n))
	for i := first; i <= last; i += every {
		s.ticks = append(s.ticks, math.Pow(base, i))
	}
	return s
}

// nice is the smallest of 1, 2 and 5 times a power of ten that is not less than step: Heckbert, "Nice Numbers for Graph Labels", 1990.
func nice(step float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(step)))
	for _, f := range []float64{1, 2, 5} {
		if f*ten >= step*(1-1e-9) {
			return f * ten
		}
	}
	return 10 * ten
}

// text is what stands at a tick.
func (a *Axis) text(v float64) string {
	if a.Format != nil {
		return a.Format(v)
	}
	// Six digits, as 3 times 0.1 is to be 0.3.
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// Bytes writes a size as people do: 64 KiB.
func Bytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " " + units[i]
}

// Seconds writes a duration given in seconds as people do: 20 ms.
func Seconds(v float64) string {
	unit := "s"
	switch size := math.Abs(v); {
	case size == 0 || size >= 1:
	case size >= 1e-3*(1-1e-9):
		v, unit = v*1e3, "ms"
	default:
		v, unit = v*1e6, "µs"
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " " + unit
}
