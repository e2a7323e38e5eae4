package record

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRation(t *testing.T) {
	r := ration{rate: 1000}
	at := func(ms int) time.Time { return time.Unix(1, 0).Add(time.Duration(ms) * time.Millisecond) }
	for _, step := range []struct {
		at   int
		fits bool
		take int
	}{
		{0, true, 1999},
		{0, true, 1},    // two seconds' worth at once
		{0, false, 0},   // and no more,
		{100, false, 0}, // until a quarter of a second's
		{249, false, 0},
		{250, true, 200},
		{251, true, 5000}, // a line is taken whole,
		{1250, false, 0},  // and paid back, but for no longer than a second
		{1500, false, 0},
		{1502, true, 1},
		{9000, true, 0},
		{8000, true, 0}, // a clock that goes back gives and takes nothing
	} {
		require.Equal(t, step.fits, r.fits(at(step.at)), "at %d", step.at)
		r.take(at(step.at), step.take)
	}
	free := ration{rate: -1}
	free.take(at(0), 1<<30)
	require.True(t, free.fits(at(0)))
}

// Whatever comes when, no more passes than rate and burst allow, and one line.
func TestRationBounds(t *testing.T) {
	const seed, rate, line = 5, 1000, 300
	random := rand.New(rand.NewPCG(seed, seed))
	for range 50 {
		r := ration{rate: rate}
		now, passed := time.Unix(1, 0), 0
		began := now
		for range 2000 {
			now = now.Add(time.Duration(random.IntN(200)) * time.Millisecond)
			if r.fits(now) {
				n := random.IntN(line)
				r.take(now, n)
				passed += n
			}
			require.LessOrEqual(t, float64(passed), rate*(2+now.Sub(began).Seconds())+line, "seed %d", seed)
		}
	}
}
