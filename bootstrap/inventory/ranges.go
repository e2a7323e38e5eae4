package inventory

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// rangeExpr finds what is meant as a range: digits, commas and dashes in brackets. An IPv6 address in brackets has a colon and is none.
var rangeExpr = regexp.MustCompile(`\[[0-9,\-]*\]`)

// maxWord is the longest name or address in bytes; it bounds what a range of long words can take in memory.
const maxWord = 512

// pattern is a word with at most one range in it.
type pattern struct {
	text         string // as written
	before, rest string // around the range
	ranged       bool
	parts        []interval
	size         int // how many numbers parts have
}

// interval is the numbers from lo to hi, inclusive, written with at least width digits.
type interval struct {
	lo, hi, width int
}

func (iv interval) len() int { return iv.hi - iv.lo + 1 }

// len is how many words the pattern stands for: 1 without a range.
func (p pattern) len() int {
	if !p.ranged {
		return 1
	}
	return p.size
}

// at returns the i-th word.
func (p pattern) at(i int) string {
	if !p.ranged {
		return p.text
	}
	for _, iv := range p.parts {
		if i < iv.len() {
			return fmt.Sprintf("%s%0*d%s", p.before, iv.width, iv.lo+i, p.rest)
		}
		i -= iv.len()
	}
	panic("inventory: index beyond the range of " + p.text) // callers stay below len
}

func parsePattern(text string) (pattern, *fault) {
	p := pattern{text: text}
	if len(text) > maxWord {
		return p, &fault{text, fmt.Sprintf("longer than %d bytes", maxWord)}
	}
	found := rangeExpr.FindAllStringIndex(text, -1)
	if len(found) == 0 {
		return p, nil
	}
	if len(found) > 1 {
		return p, &fault{text, "more than one range in a word; write one line for each value of the first"}
	}
	from, to := found[0][0], found[0][1]
	p.before, p.rest, p.ranged = text[:from], text[to:], true
	for part := range strings.SplitSeq(text[from+1:to-1], ",") {
		iv, err := parseInterval(part)
		if err != "" {
			return p, &fault{text, err}
		}
		p.size += iv.len()
		if p.size > MaxHosts {
			return p, &fault{text, fmt.Sprintf("the range stands for more than %d hosts", MaxHosts)}
		}
		p.parts = append(p.parts, iv)
	}
	return p, nil
}

// parseInterval reads N or N-M; the string is empty or says what is wrong.
func parseInterval(s string) (interval, string) {
	const wrong = "not a range; write [01-32] or [1,3-5]"
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	lo, errLo := strconv.ParseUint(first, 10, 31)
	hi, errHi := strconv.ParseUint(last, 10, 31)
	if errLo != nil || errHi != nil || len(first) > 10 || len(last) > 10 {
		return interval{}, wrong
	}
	iv := interval{lo: int(lo), hi: int(hi)}
	switch {
	case iv.hi < iv.lo:
		return interval{}, fmt.Sprintf("the range %s runs backwards; write %s-%s", s, last, first)
	case iv.len() > MaxHosts:
		return interval{}, fmt.Sprintf("the range stands for more than %d hosts", MaxHosts)
	case len(first) > 1 && first[0] == '0' || len(last) > 1 && last[0] == '0':
		if len(first) != len(last) {
			return interval{}, "both ends of a range with leading zeros need the same width, as in [01-32]"
		}
		iv.width = len(first)
	}
	return iv, ""
}
