package bootstrap

import (
	"context"
	"fmt"
	"os"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// The program starts itself on two hosts, which are this machine. What it does there is what its main does with the guest
// that Enter returns: here it greets whom its orders name.
func ExampleLauncher() {
	ctx := context.Background()
	console := NewConsole(os.Stdout, ConsoleOptions{})
	launcher, err := NewLauncher(Config{Run: "example", Log: func(r Record) { _ = console.Print(r) }})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range inventory.Local(2).Hosts {
		process, err := launcher.Start(ctx, host, []byte("greet world"))
		if err != nil {
			fmt.Println(err)
			continue
		}
		<-process.Done()
		fmt.Println(process.Exit())
	}
	if err := launcher.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// host1 │ hello world, this is host1
	// exit status 0
	// host2 │ hello world, this is host2
	// exit status 0
}
