// Stripped calls methods in a binary that was built without symbols.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/tartrl/tlaunch-go/actor"
)

type base struct{ n int }

func (b *base) Add(_ context.Context, n int) (int, error) { b.n += n; return b.n, nil }

type outer struct{ base }

type adder interface {
	Add(context.Context, int) (int, error)
}

func main() {
	ctx := context.Background()
	table := actor.NewTable()
	sys := actor.NewSystem(actor.Config{Table: table})
	node, err := sys.Spawn(actor.Spec{Key: "n/0", Value: &outer{}})
	if err == nil {
		err = node.Start(ctx)
	}
	if err != nil {
		log.Fatal(err)
	}
	ref := actor.NewRef[*outer](table, "n/0")
	three, err := actor.Call(ctx, ref, (*outer).Add, 3)
	if err != nil {
		log.Fatal(err)
	}
	five, err := actor.Call(ctx, actor.As[adder](ref), adder.Add, 2)
	if err != nil {
		log.Fatal(err)
	}
	_, err = actor.Call(ctx, ref, func(*outer, context.Context, int) (int, error) { return 0, nil }, 1)
	if !errors.Is(err, actor.ErrNotMethod) {
		log.Fatal("a literal was not refused: ", err)
	}
	if err := sys.Close(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(three, five, "refused")
}
