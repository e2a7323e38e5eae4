package programs

import (
	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// oneOnEach adds a member to each host of a program, linked in a shape.
func oneOnEach[T collective.Node](p *tlaunch.Program, kind topology.Kind, member func() T) error {
	group := collective.Over(kind)
	for _, h := range p.Hosts() {
		m := member()
		collective.Join(group, tlaunch.Add(p, "member", m, tlaunch.On(h)), m, h.Name)
	}
	return group.Seal()
}
