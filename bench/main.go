// Bench measures what tlaunch promises, beside programs of others that do the same on the same machine in the same run.
//
//	go run ./bench launch -hosts 8
//	go run ./bench mailbox
//	go run ./bench transmit
//	go run ./bench topology -hosts 8 -rate 1gbit
//
// Each subcommand lists its flags with -help. docs/bench.md says what is measured and how.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/launch"
	"github.com/tartrl/tlaunch-go/bench/mailbox"
	"github.com/tartrl/tlaunch-go/bench/topology"
	"github.com/tartrl/tlaunch-go/bench/transmit"
)

// commands are the subcommands in the order in which they are listed.
var commands = []struct {
	name, what string
	run        func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int
}{
	{"launch", "how long until nodes run on all hosts, beside pdsh, clush and mpirun", launch.Command},
	{"mailbox", "how fast messages go to a node of another process, beside stock protoactor-go and a bare connection", mailbox.Command},
	{"topology", "how long collective operations between hosts take, beside what the links carry", topology.Command},
	{"transmit", "how fast items go to and from the node between learners and actors, what they cost there, and how it is saved", transmit.Command},
}

func main() {
	tlaunch.Init() // hosts of the measured runs are processes of this executable
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		for _, c := range commands {
			if c.name == args[0] {
				return c.run(ctx, args[1:], stdin, stdout, stderr)
			}
		}
	}
	fmt.Fprintln(stderr, "usage: bench COMMAND [FLAGS]; bench COMMAND -help lists the flags")
	for _, c := range commands {
		fmt.Fprintf(stderr, "  %s\t%s\n", c.name, c.what)
	}
	return tlaunch.StatusUsage
}
