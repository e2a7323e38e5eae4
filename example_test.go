package tlaunch_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// Counter is a node whose methods others call.
type Counter struct{ total int }

func (c *Counter) Add(_ context.Context, n int) (int, error) {
	c.total += n
	return c.total, nil
}

func (c *Counter) Total(context.Context) (int, error) { return c.total, nil }

var (
	_ = actor.Method((*Counter).Add)
	_ = actor.Method0((*Counter).Total)
)

var counting = tlaunch.Define("counting", func(p *tlaunch.Program, start int) error {
	tlaunch.Add(p, "counter", &Counter{total: start})
	return nil
})

// A service launches a program, finds a node, and calls it. Without a node
// that has a Run method, the program goes on until it is stopped.
func Example() {
	ctx := context.Background()
	run, err := counting.Launch(ctx, 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	counter, err := tlaunch.Find[*Counter](run, "counter", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := range 4 {
		if _, err := actor.Call(ctx, counter, (*Counter).Add, n); err != nil {
			fmt.Println(err)
			return
		}
	}
	total, err := actor.Call0(ctx, counter, (*Counter).Total)
	fmt.Println(total, err)
	fmt.Println(run.Stop(ctx))
	// Output:
	// 106 <nil>
	// <nil>
}

// Sender is an active node: it has a Run method.
type Sender struct {
	number  int
	counter actor.Ref[*Counter]
}

func (s *Sender) Run(ctx context.Context) error {
	_, err := actor.Call(ctx, s.counter, (*Counter).Add, s.number)
	return err
}

var sending = tlaunch.Define("sending", func(p *tlaunch.Program, _ struct{}) error {
	hosts := p.Hosts()
	counter := tlaunch.Add(p, "counter", &Counter{}, tlaunch.On(hosts[0]))
	tlaunch.AddFunc(p, "printer", printTotal, counter)
	for i, h := range hosts[1:] {
		tlaunch.Add(p, "sender", &Sender{number: i + 1, counter: counter}, tlaunch.On(h))
	}
	return nil
})

// printTotal is a node that is a function: what it needs is its argument.
func printTotal(ctx context.Context, counter actor.Ref[*Counter]) error {
	for {
		total, err := actor.Call0(ctx, counter, (*Counter).Total)
		if err != nil {
			return err
		}
		if total == 6 {
			fmt.Println("all numbers are in:", total)
			return nil
		}
	}
}

// Define makes a program of nodes, and refs say who may call whom.
// The run ends when every Run, and every function, has returned.
func ExampleDefine() {
	run, err := sending.Launch(context.Background(), struct{}{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait(context.Background()))
	// Output:
	// all numbers are in: 6
	// <nil>
}

var greeting = tlaunch.Define("greeting", func(p *tlaunch.Program, name string) error {
	tlaunch.AddFunc(p, "greeter", func(_ context.Context, name string) error {
		fmt.Println("Hello,", name)
		return nil
	}, name)
	return nil
})

// A node can be a function. What it needs comes through its argument, in which
// refs are found; what it captures is not searched.
func ExampleAddFunc() {
	run, err := greeting.Launch(context.Background(), "World")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait(context.Background()))
	// Output:
	// Hello, World
	// <nil>
}

// Sensor is a node on each host.
type Sensor struct{ host string }

func (s *Sensor) Read(context.Context) (string, error) { return "sensor on " + s.host, nil }

var sensors = tlaunch.Define("sensors", func(p *tlaunch.Program, _ struct{}) error {
	tlaunch.AddEach(p, "sensor", tlaunch.OnEach("@field"), func(h tlaunch.Host, _ int) *Sensor { return &Sensor{h.Name} })
	return nil
})

// AddEach puts one node on each host of a group, however many there are: the
// inventory decides.
func ExampleAddEach() {
	hosts, err := inventory.Parse("hosts.txt", strings.NewReader(`
control 10.0.0.1
[field]
pole[01-03] 10.0.1.[1-3]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	run, err := sensors.Launch(ctx, struct{}{}, tlaunch.InProcess(hosts))
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 3 {
		sensor, err := tlaunch.Find[*Sensor](run, "sensor", i)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(actor.Call0(ctx, sensor, (*Sensor).Read))
	}
	fmt.Println(run.Stop(ctx))
	// Output:
	// sensor on pole01 <nil>
	// sensor on pole02 <nil>
	// sensor on pole03 <nil>
	// <nil>
}

// Searcher ends the whole run when it has found what it looks for.
type Searcher struct{ first, step int }

func (s *Searcher) Run(ctx context.Context) error {
	for n := s.first; ctx.Err() == nil; n += s.step {
		if n*n == 1764 {
			fmt.Println("found", n)
			return tlaunch.Stop(ctx)
		}
	}
	return ctx.Err()
}

var searching = tlaunch.Define("searching", func(p *tlaunch.Program, searchers int) error {
	for i := range searchers {
		tlaunch.Add(p, "searcher", &Searcher{first: i, step: searchers})
	}
	return nil
})

// Any node can end the run. The contexts of all others end then.
func ExampleStop() {
	run, err := searching.Launch(context.Background(), 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait(context.Background()))
	// Output:
	// found 42
	// <nil>
}

// Model answers many questions at a time, as a neural network would.
type Model struct{ batches int }

func (m *Model) Double(_ context.Context, inputs []int) ([]int, error) {
	m.batches++
	outputs := make([]int, len(inputs))
	for i, n := range inputs {
		outputs[i] = 2 * n
	}
	return outputs, nil
}

func (m *Model) Batches(context.Context) (int, error) { return m.batches, nil }

var inference = tlaunch.Define("inference", func(p *tlaunch.Program, _ struct{}) error {
	tlaunch.Add(p, "model", &Model{}, tlaunch.Batched((*Model).Double, 3, time.Hour))
	return nil
})

// A batched method takes the calls of several callers together: here it waits
// for three of them, or an hour.
func ExampleBatched() {
	ctx := context.Background()
	run, err := inference.Launch(ctx, struct{}{})
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := tlaunch.Find[*Model](run, "model", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	results := make(chan int)
	for n := range 3 {
		go func() {
			result, err := actor.CallBatched(ctx, model, (*Model).Double, n)
			if err != nil {
				fmt.Println(err)
			}
			results <- result
		}()
	}
	fmt.Println("sum of the results:", <-results+<-results+<-results)
	batches, err := actor.Call0(ctx, model, (*Model).Batches)
	fmt.Println("batches:", batches, err)
	fmt.Println(run.Stop(ctx))
	// Output:
	// sum of the results: 6
	// batches: 1 <nil>
	// <nil>
}

// A secret of a configuration reaches the nodes, and nobody sees it by accident.
func ExampleSecret() {
	config := struct {
		User     string
		Password tlaunch.Secret[string]
	}{"ada", tlaunch.NewSecret("swordfish")}
	fmt.Printf("%+v\n", config)
	fmt.Println(config.Password.Reveal())
	// Output:
	// {User:ada Password:(secret)}
	// swordfish
}

// A service looks at its hosts before it launches. In one process there is
// nothing to look at but the program.
func ExampleDefinition_Check() {
	report, err := counting.Check(context.Background(), 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(report)
	fmt.Println(report.Err())
	// Output:
	// counting: 1 node in this process: there is nothing to reach
	// <nil>
}
