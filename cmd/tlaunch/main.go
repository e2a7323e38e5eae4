// Command tlaunch looks after hosts on which programs are launched; programs launch themselves (see package tlaunch).
//
//	tlaunch clean [-hosts FILE] [-kill]
//
// It brings itself to the hosts over SSH, as a launch does, and needs nothing there but sshd and a POSIX shell.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/internal/flagtext"
)

// The statuses with which tlaunch exits, apart from 128 + n after signal n.
const (
	statusClean   = 0 // nothing is left
	statusLeft    = 1 // something is left
	statusUsage   = 2 // flags or inventory are wrong; no host was reached
	statusUnknown = 3 // a host was not reached: what it holds is not known
)

const usage = `tlaunch looks after hosts on which programs are launched.

  tlaunch clean    list what earlier runs have left on hosts, and with -kill end it

tlaunch clean -help prints its flags.
`

func main() {
	if _, worker := bootstrap.Enter(); worker {
		fmt.Fprintln(os.Stderr, "tlaunch: this is no program with nodes; launch one that calls tlaunch.Main")
		os.Exit(statusUsage)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main, with the streams and the arguments given; it returns the status to exit with.
func run(args []string, stdout, stderr io.Writer) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	over := make(chan struct{})
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case s := <-signals:
			cancel(&interrupted{s})
		case <-over:
		}
	}()
	status := dispatch(ctx, args, stdout, stderr)
	close(over)
	<-watching
	var by *interrupted
	if errors.As(context.Cause(ctx), &by) {
		if n, ok := by.signal.(syscall.Signal); ok {
			return 128 + int(n)
		}
	}
	return status
}

// interrupted is the cause of a context that a signal has ended.
type interrupted struct{ signal os.Signal }

func (e *interrupted) Error() string { return e.signal.String() }

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return statusUsage
	}
	switch args[0] {
	case "clean":
		return cleanCommand(ctx, args[1:], stdout, stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return statusClean
	}
	fmt.Fprintf(stderr, "tlaunch: there is no command %q\n\n%s", args[0], usage)
	return statusUsage
}

// parse reads a command's flags. Where it says no, the command ends with the status.
func parse(fs *flag.FlagSet, args []string, stdout, stderr io.Writer) (status int, ok bool) {
	fs.SetOutput(stderr)
	for _, arg := range args {
		if arg == "-help" || arg == "--help" || arg == "-h" {
			fs.SetOutput(stdout)
		}
	}
	err := flagtext.Parse(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return statusClean, false
	case err != nil:
		fmt.Fprintln(stderr, "tlaunch:", err)
		return statusUsage, false
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "tlaunch: unexpected argument %q: flags begin with -\n", fs.Arg(0))
		return statusUsage, false
	}
	return 0, true
}
