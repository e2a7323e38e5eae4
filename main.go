package tlaunch

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Main is what a script's main ends with: it parses the command line, launches
// the program with the configuration that cfg then holds, prints what the
// nodes print, and exits.
//
// The script's own flags are registered with package flag before; Main adds
// those that -help lists. "-flagfile FILE" reads more of them from a file, one
// -name=value a line, '#' at the start of a comment. SIGINT, SIGTERM and SIGHUP
// stop the run, a second one kills it.
//
// After a run that failed Main prints its [Report] to standard error; with
// -summary it always does.
//
// Main exits with what [ExitStatus] says of the run, or 128 + n after signal n
// ([StatusInterrupted] after Ctrl-C).
//
// In a process that was started as a host of a run Main never gets so far: it
// calls [Init] first.
//
// Options are for what has no flag, such as [OnRecord]: what a flag stands for,
// the command line decides, also where it does not name it.
func Main[C any](d *Definition[C], cfg *C, opts ...Option) {
	Init()
	os.Exit(mainStatus(d, cfg, opts, os.Args[1:], os.Stdout, os.Stderr))
}

func mainStatus[C any](d *Definition[C], cfg *C, given []Option, args []string, stdout, stderr io.Writer) int {
	f := &mainFlags{}
	if err := f.register(flag.CommandLine); err != nil {
		fmt.Fprintln(stderr, err)
		return StatusUsage
	}
	flag.CommandLine.Init(flag.CommandLine.Name(), flag.ContinueOnError)
	flag.CommandLine.SetOutput(stderr)
	if err := f.parse(flag.CommandLine, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return StatusUsage // it was said why
	}
	out := &turnstile{w: stdout}
	con := newMainConsole(out, isTerminal(stdout), f.level)
	con.others = newSettings(given).records
	slog.SetDefault(slog.New(newNodeHandler(con))) // a script's log is Main's to set
	opts, up, err := f.options(con, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return ExitStatus(err)
	}

	opts = append(slices.Clone(given), opts...)
	if up != nil && isTerminal(stdout) {
		out.through(up)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := make(chan os.Signal, 1)
	launched := make(chan *Run, 1)
	over := make(chan struct{})
	var watching sync.WaitGroup
	defer watching.Wait()
	defer close(over)
	watching.Go(func() { watchSignals(signals, first, launched, over, cancel, f.notice, stderr) })

	settle := func() {
		if up != nil {
			out.through(stdout)
			up.close()
		}
	}
	var r *Run
	if f.check {
		err = mainCheck(ctx, d, *cfg, opts, settle, stdout)
	} else {
		r, err = d.Launch(ctx, *cfg, opts...)
		settle()
	}
	switch {
	case r != nil:
		launched <- r
		if err = r.Wait(context.Background()); err != nil || f.summary {
			fmt.Fprint(stderr, r.Report().text(time.Now(), isTerminal(stderr)))
		}
	case err != nil && (!errors.Is(err, context.Canceled) || len(first) == 0):
		fmt.Fprintln(stderr, err)
	}
	if f.tmux != nil {
		text, lost := f.tmux.close(err == nil && len(first) == 0)
		if lost != nil {
			fmt.Fprintln(stderr, lost)
		}
		if text != "" {
			fmt.Fprintln(stderr, text)
		}
	}
	select {
	case s := <-first:
		return 128 + int(s.(syscall.Signal))
	default:
	}
	return ExitStatus(err)
}

// sameSignal is how close together two signals count as one: timeout(1) and
// some shells send each to the process and to its group.
const sameSignal = 200 * time.Millisecond

// watchSignals ends the launch or the run at the first signal, and kills it at
// the second. It returns when over is closed.
func watchSignals(signals <-chan os.Signal, first chan<- os.Signal, launched <-chan *Run, over <-chan struct{}, cancel func(), notice time.Duration, stderr io.Writer) {
	var r *Run
	var began time.Time
	count := 0
	for {
		select {
		case <-over:
			return
		case r = <-launched:
			launched = nil
			if count > 0 {
				r.beginEnd(false) // the signal came while the launch was ending well
			}
		case s := <-signals:
			if count > 0 && time.Since(began) < sameSignal {
				continue
			}
			count++
			switch {
			case count == 1:
				began = time.Now()
				first <- s
				fmt.Fprintf(stderr, "%v: stopping (notice %v; again to kill)\n", s, notice)
				cancel()
				if r != nil {
					r.beginEnd(false)
				}
			case r != nil:
				fmt.Fprintf(stderr, "%v: killing\n", s)
				r.Kill()
			default:
				os.Exit(128 + int(s.(syscall.Signal))) // the launch does not end: leave the hosts to their leases
			}
		}
	}
}
