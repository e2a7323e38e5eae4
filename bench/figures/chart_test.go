package figures

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDraw(t *testing.T) {
	number := func(v float64) string { return fmt.Sprint(v) }
	chart := Chart{Title: "a < b", X: number, Y: number, Lines: []Line{
		{Name: "ours", Points: []Point{{16, 0.8}, {8, 0.4}, {2, 0.1}, {4, 0}}},
		{Name: "theirs & others'", Points: []Point{{2, 0.1}, {16, 0.8}}},
		{Name: "bound", Bound: true, Points: []Point{{2, 0.05}, {16, 0.05}}},
		{Name: "nobody"},
	}}
	svg := Draw(2, []Chart{chart, {Title: "one", X: number, Y: number, Lines: []Line{{Name: "ours", Points: []Point{{1, 1}}}}}, {Title: "none", X: number, Y: number}})
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, "it is no XML")
	}
	require.NotContains(t, svg, "NaN")
	require.NotContains(t, svg, "Inf")
	require.Contains(t, svg, "a &lt; b")
	require.Equal(t, 2, strings.Count(svg, ">ours<"))
	require.Equal(t, 3+2+1, strings.Count(svg, "<circle"))
	require.Equal(t, 1, strings.Count(svg, "dasharray"))
	require.Contains(t, svg, `>0.5<`)
	require.NotContains(t, svg, "nobody")
	require.Equal(t, []float64{0.001, 0.01, 0.1, 1, 10}, rounded(yMarks(0.0009, 20)))
}

func rounded(all []float64) []float64 {
	for i, v := range all {
		all[i] = Rounded(v)
	}
	return all
}
