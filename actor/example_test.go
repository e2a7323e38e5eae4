package actor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

type Consumer struct{ total int }

func (c *Consumer) Add(_ context.Context, n int) (int, error) { c.total += n; return c.total, nil }
func (c *Consumer) Note(_ context.Context, n int) error       { c.total += n; return nil }
func (c *Consumer) Total(context.Context) (int, error)        { return c.total, nil }

// Registered, so that calls from other processes need no reflection.
var _ = actor.Method((*Consumer).Add)

// start makes a system of one process with one node, and a ref to the node.
func start[T any](value T, batches ...actor.Batch) (actor.Ref[T], *actor.Node, func()) {
	table := actor.NewTable()
	sys := actor.NewSystem(actor.Config{Host: "host1", Table: table})
	node, err := sys.Spawn(actor.Spec{Key: "node/0", Value: value, Batches: batches})
	if err == nil {
		err = node.Start(context.Background())
	}
	if err != nil {
		panic(err)
	}
	return actor.NewRef[T](table, "node/0"), node, func() { _ = sys.Close(context.Background()) }
}

func ExampleCall() {
	consumer, _, stop := start(&Consumer{})
	defer stop()
	ctx := context.Background()
	total, err := actor.Call(ctx, consumer, (*Consumer).Add, 3)
	fmt.Println(total, err)
	total, err = actor.Call(ctx, consumer, (*Consumer).Add, 4)
	fmt.Println(total, err)
	// Output:
	// 3 <nil>
	// 7 <nil>
}

func ExampleTell() {
	consumer, _, stop := start(&Consumer{})
	defer stop()
	ctx := context.Background()
	for i := range 10 {
		if err := actor.Tell(ctx, consumer, (*Consumer).Note, i); err != nil {
			fmt.Println(err)
		}
	}
	total, _ := actor.Call0(ctx, consumer, (*Consumer).Total) // comes after the tells
	fmt.Println(total)
	// Output: 45
}

func ExampleGo() {
	consumer, _, stop := start(&Consumer{})
	defer stop()
	ctx := context.Background()
	var futures []*actor.Future[int]
	for i := 1; i <= 3; i++ {
		futures = append(futures, actor.Go(ctx, consumer, (*Consumer).Add, i))
	}
	for _, f := range futures {
		total, err := f.Wait(ctx)
		fmt.Println(total, err)
	}
	// Output:
	// 1 <nil>
	// 3 <nil>
	// 6 <nil>
}

// Model evaluates many inputs at the price of one.
type Model struct{ batches []int }

func (m *Model) Evaluate(_ context.Context, inputs []float64) ([]float64, error) {
	m.batches = append(m.batches, len(inputs))
	out := make([]float64, len(inputs))
	for i, x := range inputs {
		out[i] = 2 * x
	}
	return out, nil
}

func (m *Model) Batches(context.Context) ([]int, error) { return m.batches, nil }

func ExampleBatched() {
	model, _, stop := start(&Model{}, actor.Batched((*Model).Evaluate, 4, time.Hour))
	defer stop()
	ctx := context.Background()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			y, err := actor.CallBatched(ctx, model, (*Model).Evaluate, float64(i))
			if err != nil || y != float64(2*i) {
				fmt.Println(y, err)
			}
		})
	}
	group.Wait()
	fmt.Println(actor.Call0(ctx, model, (*Model).Batches))
	// Output: [4] <nil>
}

// Clock is active of its own, and shares its count with its methods.
type Clock struct{ ticks int }

func (c *Clock) Run(ctx context.Context) error {
	for range 3 {
		if err := actor.Turn(ctx, func(context.Context) error { c.ticks++; return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (c *Clock) Ticks(context.Context) (int, error) { return c.ticks, nil }

func ExampleTurn() {
	clock, node, stop := start(&Clock{})
	defer stop()
	ctx := context.Background()
	fmt.Println(node.Run(ctx))
	fmt.Println(actor.Call0(ctx, clock, (*Clock).Ticks))
	// Output:
	// <nil>
	// 3 <nil>
}

// Totaler is all that a reader needs to know of a consumer.
type Totaler interface {
	Total(context.Context) (int, error)
}

func ExampleAs() {
	consumer, _, stop := start(&Consumer{total: 5})
	defer stop()
	ctx := context.Background()
	totaler := actor.As[Totaler](consumer)
	fmt.Println(actor.Call0(ctx, totaler, Totaler.Total))
	_, err := actor.Call0(ctx, actor.As[fmt.Stringer](consumer), func(fmt.Stringer, context.Context) (int, error) { return 0, nil })
	fmt.Println(errors.Is(err, actor.ErrNotMethod))
	// Output:
	// 5 <nil>
	// true
}

// Archive keeps what it is sent.
type Archive struct{ kept bytes.Buffer }

func (a *Archive) Upload(_ context.Context, conn net.Conn) error {
	n, err := io.Copy(&a.kept, conn)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "%d bytes", n)
	return err
}

func ExampleOpen() {
	archive, _, stop := start(&Archive{})
	defer stop()
	conn, err := actor.Open(context.Background(), archive, (*Archive).Upload)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
		panic(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		panic(err)
	}
	answer, err := io.ReadAll(conn)
	fmt.Println(string(answer), err)
	// Output: 1048576 bytes <nil>
}
