package topology

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"
)

// Sizes in an SVG, in pixels.
const (
	pillHigh   = 25.0
	pillGap    = 7.0
	boxMargin  = 9.0
	boxHead    = 24.0 // the line with the host's name
	boxGap     = 22.0 // between boxes side by side
	boxRim     = 3.0  // between a box and the ends of lines
	levelGap   = 54.0
	pageMargin = 20.0
	letter     = 7.3 // of the pills' font
	rowBoxes   = 8   // a chain goes on in the next row after so many
)

// A box is a host in a picture.
type box struct {
	group
	x, y       float64 // of its centre
	wide, high float64
}

// SVG is the shape as a picture that stands by itself, on a light ground of its own so that it can be read on any page: hosts are boxes with
// their members in them, links between hosts are arrows in the direction in which data comes from the root; links beside the tree are dashed.
func (s *Shape) SVG() string {
	boxes, of := s.boxes()
	hung := s.place(boxes, of)
	wide, high := frame(boxes)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="Helvetica, Arial, sans-serif" role="img">`+"\n", wide, high, wide, high)
	fmt.Fprintf(&b, "<title>%s of %s on %s</title>\n", escape(s.kind.String()), count(s.Len(), "member"), count(len(boxes), "host"))
	b.WriteString(`<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#5a6b7b"/></marker></defs>` + "\n")
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" rx="10" fill="#ffffff"/>`+"\n", wide, high)
	for _, e := range s.drawn() {
		if from, to := &boxes[of[e.From]], &boxes[of[e.To]]; from != to {
			s.line(&b, e, from, to, hung)
		}
	}
	for i := range boxes {
		s.box(&b, &boxes[i])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// boxes makes a box for each host, and says in which each member is.
func (s *Shape) boxes() (all []box, of []int) {
	of = make([]int, s.Len())
	for i, g := range s.hosts() {
		longest := utf8.RuneCountInString(g.name)
		for _, rank := range g.ranks {
			of[rank] = i
			longest = max(longest, utf8.RuneCountInString(s.members[rank].Name))
		}
		n := float64(len(g.ranks))
		b := box{group: g, wide: max(94, letter*float64(longest)+24) + 2*boxMargin}
		b.high = boxMargin + n*pillHigh + (n-1)*pillGap + boxMargin
		if g.name != "" {
			b.high += boxHead - boxMargin
		}
		all = append(all, b)
	}
	return all, of
}

// place gives boxes their places: a star and what has links beside its tree around a middle, a chain in rows, all others as a tree, unless there a link
// beside the tree would pass behind a box to which it does not lead. It reports whether they hang as a tree.
func (s *Shape) place(boxes []box, of []int) (hung bool) {
	switch {
	case len(boxes) > 2 && s.kind.links != nil && (s.kind.name == "star" || len(s.beside()) > 0):
		around(boxes, s.kind.name == "star")
	case s.kind.links != nil && s.kind.whole:
		rows(boxes)
	default:
		s.hang(boxes, of)
		if !s.hides(boxes, of) {
			return true
		}
		around(boxes, false)
	}
	return false
}

// hides tells whether a link beside the tree passes behind a box that is at neither of its ends.
func (s *Shape) hides(boxes []box, of []int) bool {
	for _, e := range s.beside() {
		from, to := &boxes[of[e.From]], &boxes[of[e.To]]
		for i := range boxes {
			if b := &boxes[i]; b != from && b != to && b.meets(from.x, from.y, to.x, to.y) {
				return true
			}
		}
	}
	return false
}

// meets tells whether the line from one point to another goes through the box: whether there is a part of it that is in the box's width and in its height.
func (b *box) meets(x1, y1, x2, y2 float64) bool {
	first, last := 0.0, 1.0
	for _, side := range [][3]float64{{x1 - b.x, x2 - x1, b.wide / 2}, {y1 - b.y, y2 - y1, b.high / 2}} {
		at, way, half := side[0], side[1], side[2]
		if way == 0 {
			if math.Abs(at) >= half {
				return false
			}
			continue
		}
		a, z := (-half-at)/way, (half-at)/way
		first, last = max(first, min(a, z)), min(last, max(a, z))
	}
	return first < last
}

// around puts boxes on an ellipse, or the first into its middle.
func around(boxes []box, middle bool) {
	rim := boxes
	if middle {
		rim = boxes[1:]
	}
	wide, high := 0.0, 0.0
	for i := range boxes {
		wide, high = max(wide, boxes[i].wide), max(high, boxes[i].high)
	}
	n := float64(len(rim))
	rx := max((wide+90)*n/(1.8*math.Pi), wide*1.1)
	ry := max((high+70)*n/(2*math.Pi), high*1.2)
	if middle {
		rx, ry = max(rx, wide*1.6), max(ry, high+levelGap)
	}
	for i := range rim {
		sin, cos := math.Sincos(2*math.Pi*float64(i)/n - math.Pi/2)
		rim[i].x, rim[i].y = rx*cos, ry*sin
	}
}

// rows puts boxes side by side, back and forth, so that each is beside the one before it.
func rows(boxes []box) {
	wide, high := 0.0, 0.0
	for i := range boxes {
		wide, high = max(wide, boxes[i].wide), max(high, boxes[i].high)
	}
	for i := range boxes {
		row, column := i/rowBoxes, i%rowBoxes
		if row%2 == 1 {
			column = rowBoxes - 1 - column
		}
		boxes[i].x, boxes[i].y = float64(column)*(wide+2*boxGap), float64(row)*(high+levelGap)
	}
}

// hang puts boxes below the one from which data comes to them, each in the middle above those that hang on it.
func (s *Shape) hang(boxes []box, of []int) {
	below := make([][]int, len(boxes))
	for i := 1; i < len(boxes); i++ {
		first := boxes[i].ranks[0]
		for _, rank := range boxes[i].ranks {
			if s.depth[rank] < s.depth[first] {
				first = rank
			}
		}
		up := of[s.parent[first]]
		below[up] = append(below[up], i)
	}
	wide := 0.0
	var high []float64 // of levels
	var measure func(i, level int)
	measure = func(i, level int) {
		if level == len(high) {
			high = append(high, 0)
		}
		wide, high[level] = max(wide, boxes[i].wide), max(high[level], boxes[i].high)
		for _, j := range below[i] {
			measure(j, level+1)
		}
	}
	measure(0, 0)
	slots := 0.0
	var put func(i, level int, top float64)
	put = func(i, level int, top float64) {
		b := &boxes[i]
		b.y = top + b.high/2
		for _, j := range below[i] {
			put(j, level+1, top+high[level]+levelGap)
		}
		if n := len(below[i]); n > 0 {
			b.x = (boxes[below[i][0]].x + boxes[below[i][n-1]].x) / 2
			return
		}
		b.x = slots * (wide + boxGap)
		slots++
	}
	put(0, 0, 0)
}

// frame moves boxes so that they fit a page, and returns its size.
func frame(boxes []box) (wide, high float64) {
	minX, minY, maxX, maxY := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, b := range boxes {
		minX, maxX = min(minX, b.x-b.wide/2), max(maxX, b.x+b.wide/2)
		minY, maxY = min(minY, b.y-b.high/2), max(maxY, b.y+b.high/2)
	}
	for i := range boxes {
		boxes[i].x += pageMargin - minX
		boxes[i].y += pageMargin - minY
	}
	return math.Ceil(maxX - minX + 2*pageMargin), math.Ceil(maxY - minY + 2*pageMargin)
}

// line draws a link. In a tree that hangs it goes from the middle of the lower side to that of the upper one: so it passes behind no other box, however
// many are side by side.
func (s *Shape) line(b *strings.Builder, e Edge, from, to *box, hung bool) {
	x1, y1 := from.rim(to.x, to.y)
	x2, y2 := to.rim(from.x, from.y)
	style := ` marker-end="url(#tip)"`
	switch {
	case !s.inTree(e):
		style = ` stroke-dasharray="5 4"`
	case hung && from.y < to.y:
		x1, y1 = from.x, from.y+from.high/2+boxRim
		x2, y2 = to.x, to.y-to.high/2-boxRim
	}
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#5a6b7b" stroke-width="1.6"%s/>`+"\n", x1, y1, x2, y2, style)
}

// rim is where a line from the middle of the box to a point leaves it.
func (b *box) rim(x, y float64) (float64, float64) {
	dx, dy := x-b.x, y-b.y
	scale := min((b.wide/2+boxRim)/max(math.Abs(dx), 1e-9), (b.high/2+boxRim)/max(math.Abs(dy), 1e-9))
	return b.x + dx*scale, b.y + dy*scale
}

func (s *Shape) box(b *strings.Builder, x *box) {
	left, top := x.x-x.wide/2, x.y-x.high/2
	fmt.Fprintf(b, `<g><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="8" fill="#f6f8fa" stroke="#9aa7b3"/>`+"\n", left, top, x.wide, x.high)
	y := top + boxMargin
	if x.name != "" {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="12" fill="#4b5864" text-anchor="middle">%s</text>`+"\n", x.x, top+17, escape(x.name))
		y = top + boxHead
	}
	for i, rank := range x.ranks {
		fill, stroke := "#d9e9f7", "#4a86b8"
		if rank == s.root {
			fill, stroke = "#fbe3c2", "#c27c1c"
		}
		if i > 0 {
			fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#5a6b7b" stroke-width="1.6"/>`+"\n", x.x, y-pillGap, x.x, y)
		}
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="12" fill="%s" stroke="%s"/>`+"\n", left+boxMargin, y, x.wide-2*boxMargin, pillHigh, fill, stroke)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="13" fill="#1d2730" text-anchor="middle">%s</text>`+"\n", x.x, y+17, escape(s.members[rank].Name))
		y += pillHigh + pillGap
	}
	b.WriteString("</g>\n")
}

// escape writes a text into XML, which has no place for most control characters.
func escape(text string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, text)) // what is not UTF-8 becomes runes too
}
