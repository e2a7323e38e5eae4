package figures

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A Chart is lines over two logarithmic axes.
type Chart struct {
	Title string
	X     func(float64) string // the text of a value; every x of a point is marked on the axis
	Y     func(float64) string
	Lines []Line
}

// A Line is points, by x. Only those of which both are positive are drawn.
type Line struct {
	Name   string
	Bound  bool // dashed: nothing that was measured
	Points []Point
}

// A Point is one of a line.
type Point struct{ X, Y float64 }

// Sizes in a drawing, in pixels.
const (
	panelWide, panelHigh = 460.0, 330.0
	plotLeft, plotTop    = 76.0, 46.0
	plotWide, plotHigh   = 240.0, 230.0
	labelHigh            = 15.0
)

// colours can be told apart by people who do not see all (Okabe, Ito 2008).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c6d31", "#7b3294", "#b30000"}

// Draw is charts beside each other, columns in a row, as an SVG that stands by itself on a light ground of its own. Lines of one name have one
// colour in all.
func Draw(columns int, charts []Chart) string {
	columns = max(1, min(columns, len(charts)))
	rows := (len(charts) + columns - 1) / columns
	wide, high := panelWide*float64(columns), panelHigh*float64(rows)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="Helvetica, Arial, sans-serif" font-size="12" role="img">`+"\n", wide, high, wide, high)
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" rx="10" fill="#ffffff"/>`+"\n", wide, high)
	colour, used := map[string]string{}, 0
	for _, c := range charts {
		for _, l := range c.Lines {
			switch {
			case l.Bound:
				colour[l.Name] = "#7a7a7a"
			case colour[l.Name] == "":
				colour[l.Name] = colours[used%len(colours)]
				used++
			}
		}
	}
	for i, c := range charts {
		fmt.Fprintf(&b, `<g transform="translate(%.0f %.0f)">`+"\n", panelWide*float64(i%columns), panelHigh*float64(i/columns))
		c.draw(&b, colour)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// An axis maps values to pixels.
type axis struct{ least, most, from, to float64 }

func (a axis) at(v float64) float64 {
	if a.most <= a.least {
		return (a.from + a.to) / 2
	}
	return a.from + (a.to-a.from)*math.Log(v/a.least)/math.Log(a.most/a.least)
}

// axes are those that hold all points, and the values of x that are marked.
func (c Chart) axes() (x, y axis, marks []float64) {
	x, y = axis{from: plotLeft, to: plotLeft + plotWide}, axis{from: plotTop + plotHigh, to: plotTop}
	for _, l := range c.Lines {
		for _, p := range l.drawn() {
			if len(marks) == 0 {
				x.least, x.most, y.least, y.most = p.X, p.X, p.Y, p.Y
			}
			x.least, x.most = min(x.least, p.X), max(x.most, p.X)
			y.least, y.most = min(y.least, p.Y), max(y.most, p.Y)
			marks = append(marks, p.X)
		}
	}
	slices.Sort(marks)
	y.least, y.most = y.least/1.2, y.most*1.2
	return x, y, slices.Compact(marks)
}

// drawn are the points that have a place on logarithmic axes, by x.
func (l Line) drawn() []Point {
	all := slices.DeleteFunc(slices.Clone(l.Points), func(p Point) bool { return p.X <= 0 || p.Y <= 0 })
	slices.SortFunc(all, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
	return all
}

func (c Chart) draw(b *strings.Builder, colour map[string]string) {
	x, y, marks := c.axes()
	text := func(px, py float64, anchor, fill, format string, args ...any) {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n", px, py, anchor, fill, html.EscapeString(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(b, `<text x="%.0f" y="24" font-size="14" font-weight="bold" fill="#22303c">%s</text>`+"\n", plotLeft, html.EscapeString(c.Title))
	if len(marks) == 0 {
		return
	}
	line := func(x1, y1, x2, y2 float64, style string) {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x1, y1, x2, y2, style)
	}
	for _, v := range yMarks(y.least, y.most) {
		line(plotLeft, y.at(v), plotLeft+plotWide, y.at(v), `stroke="#dde3e9"`)
		text(plotLeft-8, y.at(v)+4, "end", "#44525f", "%s", c.Y(v))
	}
	const apart = 46.0 // of texts below the axis
	last := math.Inf(-1)
	for _, v := range marks {
		line(x.at(v), plotTop+plotHigh, x.at(v), plotTop+plotHigh+4, `stroke="#5a6b7b"`)
		if x.at(v)-last >= apart {
			text(x.at(v), plotTop+plotHigh+20, "middle", "#44525f", "%s", c.X(v))
			last = x.at(v)
		}
	}
	line(plotLeft, plotTop+plotHigh, plotLeft+plotWide, plotTop+plotHigh, `stroke="#5a6b7b"`)
	type end struct {
		name    string
		at      Point // where the line ends
		y       float64
		dashing string
	}
	var ends []end
	for _, l := range c.Lines {
		points := l.drawn()
		if len(points) == 0 {
			continue
		}
		var path []string
		for _, p := range points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x.at(p.X), y.at(p.Y)))
		}
		dash := ""
		if l.Bound {
			dash = ` stroke-dasharray="5 4"`
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(path, " "), colour[l.Name], dash)
		for _, p := range points {
			if !l.Bound {
				fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.at(p.X), y.at(p.Y), colour[l.Name])
			}
		}
		p := points[len(points)-1]
		ends = append(ends, end{l.Name, Point{x.at(p.X), y.at(p.Y)}, y.at(p.Y), dash})
	}
	// Names stand beside where lines end, as far apart as letters are high.
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.y, b.y) })
	for i := range ends {
		if i > 0 {
			ends[i].y = max(ends[i].y, ends[i-1].y+labelHigh)
		}
	}
	for i := len(ends) - 1; i >= 0; i-- {
		below := plotTop + plotHigh
		if i < len(ends)-1 {
			below = ends[i+1].y - labelHigh
		}
		ends[i].y = min(ends[i].y, below)
	}
	const beside = 16.0
	for _, e := range ends {
		line(e.at.X+5, e.at.Y, plotLeft+plotWide+beside-3, e.y, fmt.Sprintf(`stroke="%s" stroke-width="0.7" opacity="0.6"`, colour[e.name]))
		text(plotLeft+plotWide+beside, e.y+4, "start", colour[e.name], "%s", e.name)
	}
}

// yMarks are 1, 2 and 5 of each power of ten between two values, or the powers alone where these are many.
func yMarks(least, most float64) (all []float64) {
	steps := []float64{1, 2, 5}
	if most/least > 1e3 {
		steps = steps[:1]
	}
	for power := math.Floor(math.Log10(least)); power <= math.Log10(most); power++ {
		for _, s := range steps {
			if v := s * math.Pow(10, power); v >= least && v <= most {
				all = append(all, v)
			}
		}
	}
	return all
}
