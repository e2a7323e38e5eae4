package transmit_test

import (
	"context"
	"fmt"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit"
)

// player acts, and writes what it has seen.
type player struct{ data transmit.Ref }

func (p *player) Run(ctx context.Context) error {
	w, err := transmit.NewWriter(p.data, transmit.WriterConfig{})
	if err != nil {
		return err
	}
	for i := range 10 {
		step := transmit.Step{"observation": transmit.Of([]float32{float32(i), 0}), "reward": transmit.Scalar(float32(i))}
		if err := w.Append(step); err != nil {
			return err
		}
		if i >= 2 {
			if err := w.Item(ctx, "replay", 3, 1); err != nil { // the last three steps
				return err
			}
		}
	}
	return w.Close(ctx)
}

// learner learns from what was written.
type learner struct{ data transmit.Ref }

func (l *learner) Run(ctx context.Context) error {
	s := transmit.NewSampler(l.data, "replay", transmit.SamplerConfig{Batch: 4})
	defer s.Close(ctx)
	for range 8 {
		item, err := s.Next(ctx)
		if err != nil {
			return err
		}
		total := float32(0)
		for n := range item.Len() {
			step, err := item.Step(n)
			if err != nil {
				return err
			}
			reward, err := transmit.Values[float32](step["reward"])
			if err != nil {
				return err
			}
			total += reward[0]
		}
		fmt.Println(item.Times, total)
	}
	return nil
}

var program = tlaunch.Define("transmit-example", func(p *tlaunch.Program, _ struct{}) error {
	data := tlaunch.Add(p, "data", transmit.NewNode(transmit.Config{Tables: []transmit.Table{transmit.Queue("replay", 5)}}))
	tlaunch.Add(p, "player", &player{data})
	tlaunch.Add(p, "learner", &learner{data})
	return nil
})

func Example() {
	run, err := program.Launch(context.Background(), struct{}{})
	if err == nil {
		err = run.Wait(context.Background())
	}
	fmt.Println(err)
	// Output:
	// 1 3
	// 1 6
	// 1 9
	// 1 12
	// 1 15
	// 1 18
	// 1 21
	// 1 24
	// <nil>
}

func ExampleSendInfo() {
	table := actor.NewTable()
	data := actor.NewRef[*transmit.Node](table, "data/0")
	sys := actor.NewSystem(actor.Config{Table: table})
	ctx := context.Background()
	node, err := sys.Spawn(actor.Spec{Key: "data/0", Value: transmit.NewNode(transmit.Config{}), Concurrent: 100})
	if err == nil {
		err = node.Start(ctx)
	}
	if err != nil {
		panic(err)
	}
	for version := range 3 {
		if err := transmit.SendInfo(ctx, data, []float64{0.5, float64(version)}); err != nil {
			panic(err)
		}
	}
	weights, err := transmit.GetInfo[[]float64](ctx, data)
	fmt.Println(weights, err, node.Stop(ctx), sys.Close(ctx))
	// Output: [0.5 2] <nil> <nil> <nil>
}

func ExampleRLTables() {
	for _, t := range transmit.RLTables(2) {
		fmt.Println(t.Name, t.MaxItems)
	}
	// Output:
	// sync_signal 2
	// id 2
	// weight_0 1
	// replay_buffer_0 1
	// weight_1 1
	// replay_buffer_1 1
}
