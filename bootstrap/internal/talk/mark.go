package talk

import (
	"fmt"
	"strconv"
	"strings"
)

// MarkVariable is in the environment of every process of a run on a host, descendants of nodes included: by it they are found
// whatever has become of their parents. Its value is a [Mark]; it carries no secret.
const MarkVariable = "TLAUNCH_MARK"

// Mark says which process of which run started another one. In its parts, what is no letter, digit, dot, dash or underscore
// has become an underscore, and what is longer than 64 bytes is cut.
type Mark struct {
	Run         string
	Host        string
	Incarnation int // counts the starts on this host by the launcher of the run, from 1
}

// NewMark returns the mark of a host's process.
func NewMark(run, host string, incarnation int) Mark {
	return Mark{Run: MarkName(run), Host: MarkName(host), Incarnation: incarnation}
}

// MarkName makes a part of a mark from a display name.
func MarkName(s string) string {
	const longest = 64
	s = PlainName(s)
	return s[:min(len(s), longest)]
}

// PlainName replaces what file systems and shells may give a meaning to.
func PlainName(s string) string {
	if s == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, s)
}

// String returns run/host/incarnation, the value of TLAUNCH_MARK.
func (m Mark) String() string { return fmt.Sprintf("%s/%s/%d", m.Run, m.Host, m.Incarnation) }

// ParseMark reads what [Mark.String] returns, and nothing else.
func ParseMark(s string) (Mark, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return Mark{}, false
	}
	n, err := strconv.Atoi(parts[2])
	m := Mark{Run: parts[0], Host: parts[1], Incarnation: n}
	return m, err == nil && n > 0 && NewMark(m.Run, m.Host, n) == m && m.String() == s
}
