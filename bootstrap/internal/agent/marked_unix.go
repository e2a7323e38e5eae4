//go:build unix

package agent

import (
	"strings"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/hold"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// marked is a process that carries a mark.
type marked struct {
	pid     int
	uid     int
	start   uint64 // when it started, in ticks of the machine: with pid it names a process for good
	age     time.Duration
	role    string // value of marker, as the process was started with it; empty for what workers have started
	mark    talk.Mark
	command string
}

// agent says whether p supervises others of its mark.
func (p marked) agent() bool { return p.role == talk.RoleAgent }

// init says whether p stands between an agent and a worker.
func (p marked) init() bool { return strings.HasPrefix(p.role, hold.RoleInit+"/") }

// gives says whether p passes the executable on, which it may do before its host has an agent.
func (p marked) gives() bool { return p.role == talk.RoleGiver }

// living returns the marks of runs that go on: those with an agent, and those about to have one, of which a giver is the sign: it ends
// soon without its launcher. An agent that is stopped counts, since it does not stay so for long. An init without an agent that can be
// seen is inside of a namespace, as we are, or ends in this moment.
func living(all []marked) map[talk.Mark]bool {
	alive := map[talk.Mark]bool{}
	for _, p := range all {
		if p.agent() || p.gives() || p.init() {
			alive[p.mark] = true
		}
	}
	return alive
}
