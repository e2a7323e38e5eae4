// Noinit embeds a program, but its main forgets to call tlaunch.Init: on a
// host it prints and waits, as a service would.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
)

func main() {
	fmt.Println("the service listens")
	if len(os.Args) < 3 { // started as a host: main does not know
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		<-ctx.Done()
		return
	}
	inv, err := tlaunch.ReadInventory(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(tlaunch.ExitStatus(err))
	}
	run, err := programs.Fate.Launch(context.Background(), programs.FateConfig{How: "return"},
		tlaunch.SSH(inv), tlaunch.WithSSH(tlaunch.SSHConfig{ConfigFile: os.Args[2]}))
	if err == nil {
		err = run.Wait(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(tlaunch.ExitStatus(err))
}
