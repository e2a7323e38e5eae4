package collective_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// Recorder has a log that the first member wants; how long it is nobody else knows.
type Recorder struct{ collective.Member }

func (r *Recorder) Run(ctx context.Context) error {
	log := strings.NewReader(strings.Repeat("step\n", 1000*r.Rank()))
	logs := make([]bytes.Buffer, r.Shape().Len()) // or files
	_, err := collective.StreamGather(ctx, r, 0, log, func(rank int) io.Writer { return &logs[rank] })
	if err == nil && r.Rank() == 0 {
		for rank := range logs {
			fmt.Println(rank, logs[rank].Len())
		}
	}
	return err
}

var recorders = tlaunch.Define("recorders", func(p *tlaunch.Program, _ struct{}) error {
	group := collective.Over(topology.Tree(2))
	for _, h := range p.Hosts() {
		r := &Recorder{}
		collective.Join(group, tlaunch.Add(p, "recorder", r, tlaunch.On(h)), r, h.Name)
	}
	return group.Seal()
})

func ExampleStreamGather() {
	run, err := recorders.Launch(context.Background(), struct{}{})
	if err == nil {
		err = run.Wait(context.Background())
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0 0
	// 1 5000
	// 2 10000
	// 3 15000
}
