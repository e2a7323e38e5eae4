package bootstrap

import (
	"fmt"
	"strconv"
	"strings"
)

// markVariable is in the environment of every process of a run on a host, descendants of nodes included: by it they are found
// whatever has become of their parents. Its value is a [Mark]; it carries no secret.
const markVariable = "TLAUNCH_MARK"

// Mark says which process of which run started another one. In its parts, what is no letter, digit, dot, dash or underscore
// has become an underscore, and what is longer than 64 bytes is cut.
type Mark struct {
	Run         string
	Host        string
	Incarnation int // counts the starts on this host by the launcher of the run, from 1
}

// NewMark returns the mark of a host's process.
func NewMark(run, host string, incarnation int) Mark {
	return Mark{Run: markName(run), Host: markName(host), Incarnation: incarnation}
}

// markName makes a part of a mark from a display name.
func markName(s string) string {
	const longest = 64
	s = plainName(s)
	return s[:min(len(s), longest)]
}

// plainName replaces what file systems and shells may give a meaning to.
func plainName(s string) string {
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

// part says what a started process is to be.
type part struct {
	role string // a value of marker
	mark string // empty: it belongs to no run
}

// env returns what tells the process; nothing in it has a meaning to a shell.
func (p part) env() []string {
	env := []string{marker + "=" + p.role}
	if p.mark != "" {
		env = append(env, markVariable+"="+p.mark)
	}
	if p.role == markerAgent {
		env = append(env, oneProcessor)
	}
	return env
}

// oneProcessor is how an agent starts: looking for work that other threads could do costs it more than all of its work, which is done one step after the other
// until its worker runs. Once it has settled it takes what the machine has, for a worker may print and send much.
const oneProcessor = "GOMAXPROCS=1"
