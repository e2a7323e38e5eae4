package figures

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		figures []float64
		want    Spread
	}{
		"one":  {[]float64{2}, Spread{2, 2, 2}},
		"odd":  {[]float64{5, 1, 3}, Spread{3, 1, 5}},
		"even": {[]float64{4, 1, 2, 9}, Spread{3, 1, 9}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, SpreadOf(c.figures))
		})
	}
	require.Equal(t, "1.500 (1.000 to 2.250)", Spread{1.5, 1, 2.25}.String())
	require.Equal(t, 0.3333, Rounded(1.0/3))
	require.Equal(t, "met", Verdict(true))
	require.Equal(t, "not met", Verdict(false))
}
