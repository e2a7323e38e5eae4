package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/wrapperspb"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
)

// What guests do is bounded by this.
const patience = 20 * time.Second

// join joins a run of program service with the invitation on standard input,
// "consul" as its second argument takes addresses from there, and adds 5 in
// its ledger twice.
func join() int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var opts []tlaunch.ConnectOption
	if len(os.Args) > 1 && os.Args[1] == "consul" {
		opts = append(opts, tlaunch.FindInConsul(tlaunch.ConsulConfig{}))
	}
	if err := visit(ctx, invitation(), opts); err != nil {
		fmt.Println("refused:", err)
		return 1
	}
	return 0
}

func invitation() tlaunch.Invitation {
	lines := bufio.NewScanner(os.Stdin)
	lines.Scan()
	return tlaunch.Invitation(lines.Text())
}

func visit(ctx context.Context, i tlaunch.Invitation, opts []tlaunch.ConnectOption) error {
	c, err := tlaunch.Connect(ctx, i, opts...)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	ledger, err := tlaunch.Find[*programs.Ledger](c, "ledger", 0)
	if err != nil {
		return err
	}
	for range 2 {
		sum, err := actor.Call(ctx, ledger, (*programs.Ledger).Add, 5)
		if err != nil {
			return err
		}
		fmt.Println("sum", sum)
	}
	return nil
}

// visitOrder is what a stock process is to do: where it listens, and which
// nodes it talks to.
type visitOrder struct {
	Invitation                                 tlaunch.Invitation
	Listen                                     string
	LedgerHost, LedgerKey, PropsHost, PropsKey string
}

// stock is a process with the actors and the remoting of protoactor-go alone;
// from tlaunch it takes only its credentials.
func stock() int {
	var o visitOrder
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		log.Println(err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g, err := tlaunch.Redeem(ctx, o.Invitation)
	if err != nil {
		log.Println(err)
		return 1
	}
	tls, err := g.TLS()
	if err != nil {
		log.Println(err)
		return 1
	}
	system := protoactor.NewActorSystem()
	r := remote.NewRemote(system, remote.Configure(o.Listen, 0,
		remote.WithDialOptions(grpc.WithTransportCredentials(credentials.NewTLS(tls))),
		remote.WithServerOptions(grpc.Creds(credentials.NewTLS(tls)))))
	r.Start()
	defer r.Shutdown(true)

	root := system.Root
	ask := func(pid *protoactor.PID, text string) {
		v, err := root.RequestFuture(pid, wrapperspb.String(text), 5*time.Second).Result()
		fmt.Println("answer:", v, err)
	}
	props := protoactor.NewPID(g.Members[o.PropsHost], o.PropsKey)
	ask(protoactor.NewPID(g.Members[o.LedgerHost], o.LedgerKey), "stock")
	ask(props, "stock")

	// The other way: the node asks an actor of this process, of which it knows only as the sender of a message.
	asked := make(chan struct{})
	root.Spawn(protoactor.PropsFromFunc(func(c protoactor.Context) {
		switch m := c.Message().(type) {
		case *protoactor.Started:
			c.Request(props, wrapperspb.String("call back"))
		case *wrapperspb.StringValue:
			fmt.Println("asked:", m.Value)
			close(asked)
		}
	}))
	select {
	case <-asked:
		return 0
	case <-ctx.Done():
		fmt.Println("never asked")
		return 1
	}
}
