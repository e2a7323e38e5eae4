package cluster

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// backoff returns how long to wait after the given number of failures in a
// row: it doubles from 100 ms up to 5 s, and of that a random half to whole,
// so that the processes of a run do not return at the same moment.
// Random is from 0 up to 1.
func backoff(failures int, random float64) time.Duration {
	d := backoffMost
	if failures < 7 { // the seventh would be above the most
		d = backoffFirst << max(failures-1, 0)
	}
	return d/2 + time.Duration(random*float64(d/2))
}

// spread returns a duration within a tenth of d around it.
func spread(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*random))
}

// newRandom returns a source for backoffs; seed 0 takes a random one.
func newRandom(seed uint64) *rand.Rand {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, seed))
}
