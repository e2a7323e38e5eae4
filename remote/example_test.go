package remote_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tartrl/tlaunch-go/remote"
)

func quietSystem() *protoactor.ActorSystem {
	return protoactor.NewActorSystem(protoactor.WithLoggerFactory(func(*protoactor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

// Two members of a run: the launcher, which nobody can dial, asks an actor on a host.
func Example() {
	ctx := context.Background()
	authority, err := remote.NewAuthority("run-1", nil)
	if err != nil {
		panic(err)
	}
	hostCredentials, err := authority.Issue(remote.RoleHost, "host1", 1)
	if err != nil {
		panic(err)
	}
	launcherCredentials, err := authority.Issue(remote.RoleLauncher, "launcher", 1)
	if err != nil {
		panic(err)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	hostSystem := quietSystem()
	host, err := remote.New(remote.Config{
		System: hostSystem, Address: listener.Addr().String(), Credentials: &hostCredentials,
	})
	if err != nil {
		panic(err)
	}
	served := make(chan error, 1)
	go func() { served <- host.Serve(listener) }()
	greeter := hostSystem.Root.Spawn(protoactor.PropsFromFunc(func(c protoactor.Context) {
		if name, ok := c.Message().(*wrapperspb.StringValue); ok {
			c.Respond(wrapperspb.String("hello, " + name.Value))
		}
	}))

	launcherSystem := quietSystem()
	launcher, err := remote.New(remote.Config{
		System: launcherSystem, Address: "launcher.run-1", Credentials: &launcherCredentials,
	})
	if err != nil {
		panic(err)
	}
	answers := make(chan string, 1)
	asker := launcherSystem.Root.Spawn(protoactor.PropsFromFunc(func(c protoactor.Context) {
		if answer, ok := c.Message().(*wrapperspb.StringValue); ok {
			answers <- answer.Value
		}
	}))
	if err := launcher.Send(ctx, greeter, asker, wrapperspb.String("launcher")); err != nil {
		panic(err)
	}
	fmt.Println(<-answers)

	fmt.Println(launcher.Close(ctx), host.Close(ctx), <-served)
	// Output:
	// hello, launcher
	// <nil> <nil> <nil>
}

func ExampleCredentials_String() {
	authority, err := remote.NewAuthority("run-1", nil)
	if err != nil {
		panic(err)
	}
	c, err := authority.Issue(remote.RoleHost, "host1", 2)
	if err != nil {
		panic(err)
	}
	fmt.Println(c)
	// Output: tlaunch://run-1/host/host1/2 (key withheld)
}
