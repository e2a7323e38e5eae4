package collective_test

import (
	"context"
	"fmt"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

type Trainer struct {
	collective.Member
	weights []float32
}

func (t *Trainer) Run(ctx context.Context) error {
	if t.Rank() == 0 {
		t.weights = []float32{1, 2, 3}
	}
	if err := collective.Broadcast(ctx, t, 0, t.weights); err != nil {
		return err
	}
	gradients := []float32{float32(t.Rank()), 0, 1}
	if err := collective.AllReduce(ctx, t, gradients, collective.Mean); err != nil {
		return err
	}
	for i, g := range gradients {
		t.weights[i] += g
	}
	return nil
}

func (t *Trainer) Stop(context.Context) error {
	if t.Rank() == 3 {
		fmt.Println(t.weights)
	}
	return nil
}

var trainers = tlaunch.Define("trainers", func(p *tlaunch.Program, _ struct{}) error {
	group := collective.Over(topology.Ring())
	for _, h := range p.Hosts() {
		t := &Trainer{weights: make([]float32, 3)}
		collective.Join(group, tlaunch.Add(p, "trainer", t, tlaunch.On(h)), t, h.Name)
	}
	return group.Seal()
})

func Example() {
	run, err := trainers.Launch(context.Background(), struct{}{})
	if err == nil {
		err = run.Wait(context.Background())
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output: [2.5 2 4]
}
