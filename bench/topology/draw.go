package topology

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tartrl/tlaunch-go/internal/chart"
)

// shapeNames are what an algorithm is in terms of shapes: who sends to whom.
var shapeNames = map[string]string{"direct": "star (direct)", "byshape": "net"}

// draw draws the times of each operation over the sizes, with the most hosts, and over the numbers of hosts, for the largest size; where there is more than one of these.
func (r report) draw() string {
	var charts []chart.Chart
	sizes, hosts := r.cfg.program.Sizes, r.cfg.counts
	if r.cfg.inventory != "" {
		hosts = []int{r.bouts[0].hosts}
	}
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(n int) bool { // those that were not come to
		return !slices.ContainsFunc(r.bouts, func(b bout) bool { return b.hosts == n })
	})
	times := chart.Axis{Label: "time of the slowest member", Log: true, Format: chart.Seconds}
	for _, operation := range r.cfg.program.Operations {
		if len(sizes) > 1 || len(hosts) == 1 {
			most := slices.Max(hosts)
			charts = append(charts, chart.Chart{
				Title: fmt.Sprintf("%s, %d hosts", operation, most), X: chart.Axis{Label: "size", Log: true, Base: 4, Format: chart.Bytes}, Y: times,
				Series: r.lines(operation, func(one row) (float64, bool) { return float64(one.Size), one.Hosts == most }),
			})
		}
		if len(hosts) > 1 {
			largest := slices.Max(sizes)
			charts = append(charts, chart.Chart{
				Title: fmt.Sprintf("%s of %s", operation, sizeText(largest)), X: chart.Axis{Label: "hosts", Log: true, Base: 2}, Y: times,
				Series: r.lines(operation, func(one row) (float64, bool) { return float64(one.Hosts), one.Size == largest }),
			})
		}
	}
	return chart.SVG(charts...)
}

// lines are our algorithms, the peers, and the bound, from left to right. x says where a row stands, and whether it does.
func (r report) lines(operation string, x func(row) (float64, bool)) (all []chart.Series) {
	type point struct {
		at      float64
		name    string
		seconds float64
		isBound bool
	}
	var points []point
	for _, b := range r.bouts {
		for _, group := range b.groups() {
			at, ok := x(group[0])
			if !ok || group[0].Operation != operation {
				continue
			}
			for _, one := range append(group, b.peers(group[0])...) {
				name := one.Algorithm
				if shape, ok := shapeNames[name]; ok {
					name = shape
				}
				points = append(points, point{at, name, one.Seconds, false})
			}
			if bound := group[0].Bound; bound > 0 {
				points = append(points, point{at, "bound", bound, true})
			}
		}
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	for _, p := range points {
		i := slices.IndexFunc(all, func(s chart.Series) bool { return s.Name == p.name })
		if i < 0 {
			i = len(all)
			all = append(all, chart.Series{Name: p.name, Dots: !p.isBound, Dashed: p.isBound})
		}
		all[i].X, all[i].Y = append(all[i].X, p.at), append(all[i].Y, p.seconds)
	}
	return all
}
