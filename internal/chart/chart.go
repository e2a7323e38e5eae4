package chart

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"
)

// A Chart is one panel of a picture: lines over two axes.
type Chart struct {
	Title  string
	X, Y   Axis
	Series []Series
}

// An Axis is one of the two. Its range is that of the data, widened to whole ticks.
type Axis struct {
	Label string
	// Log makes equal ratios equal distances; values that are not positive are left out then.
	Log bool
	// Zero makes a linear axis begin at zero at the latest.
	Zero bool
	// Base is that of the ticks of a Log axis: 10 where it is 0.
	Base float64
	// Format writes the value of a tick; nil writes it as short as it can be.
	Format func(float64) string
}

// A Series is a line: Y[i] over X[i], in this order. Values that have no place, as those that are no numbers or beyond 1e100, interrupt it. The shorter of both slices says how long it is.
type Series struct {
	Name string
	X, Y []float64
	// Dots marks each value, for lines of few.
	Dots bool
	// Dashed is for what others are held against: a bound, a target.
	Dashed bool
}

// colours can be told apart by the colour-blind as well: Okabe and Ito, "Color Universal Design", 2008, without yellow; then others, for charts
// of many lines.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31", "#7b3294", "#b30000"}

// dashedColour is that of lines that others are held against.
const dashedColour = "#6b7280"

// Sizes in pixels.
const (
	wide                 = 760.0
	panelHigh            = 330.0
	left                 = 78.0 // of the plotted area: room for the labels
	right                = 20.0
	top                  = 62.0
	bottom               = 56.0
	letter               = 6.9 // of the font, at most
	legendHigh           = 17.0
	ticksAcross, ticksUp = 8, 6
)

// SVG draws charts below each other as one picture that stands by itself, on a light ground of its own so that it can be read on any page.
func SVG(charts ...Chart) string {
	var b strings.Builder
	var body strings.Builder
	high := 0.0
	for _, c := range charts {
		fmt.Fprintf(&body, `<g transform="translate(0 %.0f)">`+"\n", high)
		high += c.draw(&body)
		body.WriteString("</g>\n")
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="Helvetica, Arial, sans-serif" font-size="12" role="img">`+"\n", wide, high, wide, high)
	if len(charts) > 0 {
		fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(charts[0].Title))
	}
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" rx="10" fill="#ffffff"/>`+"\n", wide, high)
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// draw draws a panel and returns its height.
func (c *Chart) draw(b *strings.Builder) float64 {
	rows := c.legend(b)
	up := top + legendHigh*float64(rows-1)
	high := up + panelHigh - top
	xs, ys := c.X.scale(c.values(true), ticksAcross), c.Y.scale(c.values(false), ticksUp)
	xs.from, xs.to = left, wide-right
	ys.from, ys.to = high-bottom, up
	fmt.Fprintf(b, `<text x="%.0f" y="26" font-size="15" font-weight="bold" fill="#1f2933">%s</text>`+"\n", left, html.EscapeString(c.Title))
	for _, t := range xs.ticks {
		text := c.X.text(t)
		middle := min(xs.at(t), wide-2-letter*float64(utf8.RuneCountInString(text))/2) // a long one at the edge would be cut off
		fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1f" stroke="#e5e9ee"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#52606d">%s</text>`+"\n",
			xs.at(t), ys.from, ys.to, middle, ys.from+18, html.EscapeString(text))
	}
	for _, t := range ys.ticks {
		fmt.Fprintf(b, `<path d="M%.1f %.1fH%.1f" stroke="#e5e9ee"/><text x="%.1f" y="%.1f" text-anchor="end" fill="#52606d">%s</text>`+"\n",
			xs.from, ys.at(t), xs.to, xs.from-8, ys.at(t)+4, html.EscapeString(c.Y.text(t)))
	}
	fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1fH%.1f" fill="none" stroke="#7b8794"/>`+"\n", xs.from, ys.to, ys.from, xs.to)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="#323f4b">%s</text>`+"\n", (xs.from+xs.to)/2, ys.from+40, html.EscapeString(c.X.Label))
	fmt.Fprintf(b, `<text transform="translate(18 %.1f) rotate(-90)" text-anchor="middle" fill="#323f4b">%s</text>`+"\n", (ys.from+ys.to)/2, html.EscapeString(c.Y.Label))
	for i, s := range c.Series {
		c.line(b, s, c.colour(i), xs, ys)
	}
	return high
}

// legend writes the names below the title, and returns the rows that they take.
func (c *Chart) legend(b *strings.Builder) int {
	x, row := left, 0
	for i, s := range c.Series {
		need := 26 + letter*float64(utf8.RuneCountInString(s.Name)) + 18
		if x > left && x+need > wide-right {
			x, row = left, row+1
		}
		y := 46 + legendHigh*float64(row)
		fmt.Fprintf(b, `<path d="M%.1f %.1fh20" stroke="%s" stroke-width="2.5"%s/><text x="%.1f" y="%.1f" fill="#323f4b">%s</text>`+"\n",
			x, y-4, c.colour(i), dashes(s), x+26, y, html.EscapeString(s.Name))
		x += need
	}
	return row + 1
}

func (c *Chart) line(b *strings.Builder, s Series, colour string, xs, ys scale) {
	var path, dots strings.Builder
	pen := "M"
	for i := range min(len(s.X), len(s.Y)) {
		if !c.X.fits(s.X[i]) || !c.Y.fits(s.Y[i]) {
			pen = "M"
			continue
		}
		x, y := xs.at(s.X[i]), ys.at(s.Y[i])
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, x, y)
		pen = "L"
		if s.Dots {
			fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="3.2" fill="%s"/>`, x, y, colour)
		}
	}
	if path.Len() > 0 {
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"%s/>%s`+"\n", path.String(), colour, dashes(s), dots.String())
	}
}

// colour is that of a series: dashed ones take none from the others.
func (c *Chart) colour(i int) string {
	if c.Series[i].Dashed {
		return dashedColour
	}
	before := 0
	for _, s := range c.Series[:i] {
		if !s.Dashed {
			before++
		}
	}
	return colours[before%len(colours)]
}

func dashes(s Series) string {
	if s.Dashed {
		return ` stroke-dasharray="6 4"`
	}
	return ""
}

// values are all on one of the axes that both axes can show.
func (c *Chart) values(across bool) (all []float64) {
	for _, s := range c.Series {
		for i := range min(len(s.X), len(s.Y)) {
			if !c.X.fits(s.X[i]) || !c.Y.fits(s.Y[i]) {
				continue
			}
			if across {
				all = append(all, s.X[i])
			} else {
				all = append(all, s.Y[i])
			}
		}
	}
	return all
}

// farthest is beyond what anybody measures, and far enough from the end of what floating point can hold to reckon with.
const farthest = 1e100

// fits says whether a value has a place on the axis.
func (a *Axis) fits(v float64) bool { return math.Abs(v) <= farthest && (!a.Log || v >= 1/farthest) }
