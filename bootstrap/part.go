package bootstrap

import "github.com/tartrl/tlaunch-go/bootstrap/internal/talk"

// Mark says which process of which run started another one. In its parts, what is no letter, digit, dot, dash or underscore
// has become an underscore, and what is longer than 64 bytes is cut. Its String is run/host/incarnation, the value of TLAUNCH_MARK:
// that variable is in the environment of every process of a run on a host, descendants of nodes included.
type Mark = talk.Mark

// NewMark returns the mark of a host's process.
func NewMark(run, host string, incarnation int) Mark { return talk.NewMark(run, host, incarnation) }

// ParseMark reads what the String of a [Mark] returns, and nothing else.
func ParseMark(s string) (Mark, bool) { return talk.ParseMark(s) }

// part says what a started process is to be.
type part struct {
	role string // a value of [talk.Marker]
	mark string // empty: it belongs to no run
}

// env returns what tells the process; nothing in it has a meaning to a shell.
func (p part) env() []string {
	env := []string{talk.Marker + "=" + p.role}
	if p.mark != "" {
		env = append(env, talk.MarkVariable+"="+p.mark)
	}
	if p.role == talk.RoleAgent {
		env = append(env, talk.OneProcessor)
	}
	return env
}
