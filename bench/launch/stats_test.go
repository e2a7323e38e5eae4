package launch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		figures []float64
		want    spread
	}{
		"one":  {[]float64{2}, spread{2, 2, 2}},
		"odd":  {[]float64{5, 1, 3}, spread{3, 1, 5}},
		"even": {[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, spreadOf(c.figures))
		})
	}
	require.Equal(t, "1.500 (1.000 to 2.250)", spread{1.5, 1, 2.25}.String())
}

func TestTargets(t *testing.T) {
	for name, c := range map[string]struct {
		mode, peer string
		same       bool
		most       float64
	}{
		"default": {warm, pdsh, false, 0.35},
		"same":    {warm, pdsh, true, 1.3},
		"copy":    {cold, clush, false, 0.7},
		"none":    {warm, clush, false, 0},
		"mpi":     {warm, mpirun, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			most, ok := target(c.mode, c.peer, c.same)
			require.Equal(t, c.most, most)
			require.Equal(t, c.most > 0, ok)
		})
	}
	require.Equal(t, "met", verdict(1, 1))
	require.Equal(t, "not met", verdict(1.01, 1))
}
