package programs

import (
	"context"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Knot has refs to all other knots.
type Knot struct{ others []actor.Ref[*Knot] }

var _ = actor.Method0((*Knot).Size)

// Size says how many others there are.
func (k *Knot) Size(context.Context) (int, error) { return len(k.others), nil }

// Run asks all others.
func (k *Knot) Run(ctx context.Context) error {
	for _, o := range k.others {
		if _, err := actor.Call0(ctx, o, (*Knot).Size); err != nil {
			return err
		}
	}
	return nil
}

// Mesh has a node on each host; each asks all others.
var Mesh = tlaunch.Define("mesh", func(p *tlaunch.Program, _ struct{}) error {
	knots := make([]*Knot, len(p.Hosts()))
	refs := make([]actor.Ref[*Knot], len(knots))
	for i, h := range p.Hosts() {
		knots[i] = &Knot{}
		refs[i] = tlaunch.Add(p, "knot", knots[i], tlaunch.On(h))
	}
	for i, k := range knots {
		for j, r := range refs {
			if i != j {
				k.others = append(k.others, r)
			}
		}
	}
	return nil
})

// Star has a node on each host; the first asks all others, which know nobody.
var Star = tlaunch.Define("star", func(p *tlaunch.Program, _ struct{}) error {
	hub := &Knot{}
	for i, h := range p.Hosts() {
		if i == 0 {
			tlaunch.Add(p, "hub", hub, tlaunch.On(h))
			continue
		}
		hub.others = append(hub.others, tlaunch.Add(p, "spoke", &Knot{}, tlaunch.On(h)))
	}
	return nil
})
