package topology

import (
	"fmt"
	"slices"

	"github.com/tartrl/tlaunch-go/bench/figures"
)

// shapeNames are what an algorithm is in terms of shapes: who sends to whom.
var shapeNames = map[string]string{"direct": "star (direct)", "byshape": "net"}

// draw draws the times of each operation over the sizes, with the most hosts, and over the numbers of hosts, for the largest size; where there is more than one of these.
func (r report) draw() string {
	var charts []figures.Chart
	seconds := func(s float64) string {
		switch {
		case s < 1e-3:
			return fmt.Sprintf("%.4g µs", s*1e6)
		case s < 1:
			return fmt.Sprintf("%.4g ms", s*1e3)
		}
		return fmt.Sprintf("%.4g s", s)
	}
	sizes, hosts := r.cfg.program.Sizes, r.cfg.counts
	if r.cfg.inventory != "" {
		hosts = []int{r.bouts[0].hosts}
	}
	for _, operation := range r.cfg.program.Operations {
		if len(sizes) > 1 || len(hosts) == 1 {
			most := slices.Max(hosts)
			charts = append(charts, figures.Chart{
				Title: fmt.Sprintf("%s, %d hosts", operation, most), X: func(v float64) string { return sizeText(int(v)) }, Y: seconds,
				Lines: r.lines(operation, func(one row) (float64, bool) { return float64(one.Size), one.Hosts == most }),
			})
		}
		if len(hosts) > 1 {
			largest := slices.Max(sizes)
			charts = append(charts, figures.Chart{
				Title: fmt.Sprintf("%s of %s", operation, sizeText(largest)), X: func(v float64) string { return fmt.Sprintf("%.0f hosts", v) }, Y: seconds,
				Lines: r.lines(operation, func(one row) (float64, bool) { return float64(one.Hosts), one.Size == largest }),
			})
		}
	}
	return figures.Draw(2, charts)
}

// lines are the bound, our algorithms and the peers. x says where a row stands, and whether it does.
func (r report) lines(operation string, x func(row) (float64, bool)) (all []figures.Line) {
	put := func(name string, bound bool, p figures.Point) {
		i := slices.IndexFunc(all, func(l figures.Line) bool { return l.Name == name })
		if i < 0 {
			i = len(all)
			all = append(all, figures.Line{Name: name, Bound: bound})
		}
		all[i].Points = append(all[i].Points, p)
	}
	for _, b := range r.bouts {
		for _, group := range b.groups() {
			at, ok := x(group[0])
			if !ok || group[0].Operation != operation {
				continue
			}
			put("bound", true, figures.Point{X: at, Y: group[0].Bound})
			for _, one := range append(group, b.peers(group[0])...) {
				name := one.Algorithm
				if shape, ok := shapeNames[name]; ok {
					name = shape
				}
				put(name, false, figures.Point{X: at, Y: one.Seconds})
			}
		}
	}
	return all
}
