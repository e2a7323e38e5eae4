package topology

import (
	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// What a grid of many cells saves time by. All members decide alike: what they decide by, they have told each other.

// hopelessBy is how many times longer than the first way another must need the busiest link for nobody to wait for it: no way takes less time than that, but
// rates are measured while others use the processors.
const hopelessBy = 1.5

// hopeless tells whether a way cannot be faster than this first one, as the links alone take too long for it. Of what is smaller than 1 MiB that cannot be told:
// limiters of rates let some of it pass at once.
func (first *outcome) hopeless(algorithm string) bool {
	least := 0.0
	for _, c := range first.ways {
		if links := c.Links.Seconds(); c.Algorithm == algorithms[algorithm] && algorithms[algorithm] != collective.ByShape && (least == 0 || links < least) {
			least = links
		}
	}
	return first.Size >= mib && least > hopelessBy*figures.SpreadOf(first.Seconds).Median
}

// affordable is how many rounds there are after the first, which has taken so many seconds. 0: that one counts.
func (c programConfig) affordable(rounds int, first float64) int {
	if c.Most == 0 {
		return rounds
	}
	for n := range rounds {
		if float64(n+1)*first > c.Most {
			return n
		}
	}
	return rounds
}

// slowestIn is the seconds of the slowest member in a round, of which all have told.
func slowestIn(all []int64) float64 {
	slowest := int64(0)
	for at := 0; at < len(all); at += shareLen {
		slowest = max(slowest, all[at])
	}
	return float64(slowest) / 1e9
}
