package plot

import (
	"strconv"

	tlaunch "github.com/tartrl/tlaunch-go"
)

// Numbers are the attributes of a record that are numbers, by their keys: what
// a launcher that draws a run hears of it.
func Numbers(r tlaunch.Record) map[string]float64 {
	numbers := map[string]float64{}
	for _, a := range r.Attrs {
		if v, err := strconv.ParseFloat(a.Value, 64); err == nil {
			numbers[a.Key] = v
		}
	}
	return numbers
}
