//go:build unix

package agent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/resume"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// agent supervises one worker: it relays its streams, records its output, holds its lease, and leaves nothing behind.
type agent struct {
	onFirst func(func()) // has something done on the process's first thread, and waits for it
	orders  talk.AgentOrders
	pulse   *talk.Pulse
	stream  *resume.Stream // what the session travels over
	door    *door          // nil: a lost link is not bridged
	bridge  talk.BridgeReport
	session *yamux.Session // with the launcher
	deadman *deadman
	control *yamux.Stream
	records *record.Recorder
	exe     string // our executable, and the worker's
	dir     string
	claim   *claim // on dir

	ward   *ward
	worker *yamux.Session // with the worker
	notify *yamux.Stream  // orders and notices to the worker; nil when it ended at once

	controlMu sync.Mutex // orders frames on control
	terminate chan time.Duration
	silent    atomic.Bool   // the worker was killed because it did not answer
	entry     chan struct{} // closed when it is known whether the worker has reached Enter
	entered   bool          // it has; valid once entry is closed
	overdue   bool          // it was killed because it had not; likewise
	proceed   chan struct{} // closed when the launcher has brought its files
	exited    chan struct{} // closed when the worker has ended
	relaying  chan struct{} // closed when no more streams come from the worker
	readers   sync.WaitGroup
	pipes     []*os.File // the worker's output

	relayMu    sync.Mutex
	relays     sync.WaitGroup // directions towards the launcher
	relaysOver bool           // no more are counted
}

// runAgent is the whole life of an agent's process; it returns the status to exit with. It is led by a goroutine of its own: the one of
// init functions is kept on the process's first thread, so another thread had to be woken whenever that one waits, and it again afterwards.
// That thread lasts as long as the process, which what is done onFirst is in need of.
func runAgent() int {
	tasks := make(chan func())
	onFirst := func(task func()) {
		done := make(chan struct{})
		tasks <- func() { task(); close(done) }
		<-done
	}
	status := ExitBroken
	go func() {
		defer close(tasks)
		status = leadAgent(onFirst)
	}()
	for task := range tasks {
		task()
	}
	return status
}

func leadAgent(onFirst func(func())) int {
	// The launcher's going away must not end us before the worker is stopped. The signals are caught rather than ignored,
	// because what is ignored stays so in the worker.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGPIPE, unix.SIGTERM, unix.SIGQUIT)

	link, err := claimStdio()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap: agent:", err)
		return ExitBroken
	}
	dead, err := startDeadman(strangerSilence)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap: agent:", err)
		return ExitBroken
	}
	defer dead.stop()
	a := &agent{onFirst: onFirst, deadman: dead, pulse: talk.NewPulse(), terminate: make(chan time.Duration, 8), exited: make(chan struct{}), proceed: make(chan struct{}), relaying: make(chan struct{}), entry: make(chan struct{})}
	if err := a.greet(link); err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap: agent:", err)
		return ExitBroken
	}
	if err := a.start(); err != nil {
		a.cleanUp()
		text := err.Error()
		_ = a.send(talk.FrameStarted, talk.StartReport{Error: text[:min(len(text), talk.MaxReport/2)]})
		_ = a.control.Close()
		select { // the launcher closes once it has read the reason
		case <-a.session.CloseChan():
		case <-time.After(a.orders.Lease):
		}
		return ExitBroken
	}
	return a.supervise(signals)
}

// greet opens the session with the launcher and reads the orders.
func (a *agent) greet(link *stdio) error {
	if _, err := io.WriteString(link.out, talk.Preamble); err != nil {
		return fmt.Errorf("greet the launcher: %w", err)
	}
	a.stream = resume.New(link, resume.Config{})
	session, err := yamux.Server(talk.Heard{Stream: a.stream, Pulse: a.pulse}, talk.MuxConfig())
	if err != nil {
		return err
	}
	a.session = session
	result := make(chan error, 1)
	go func() { result <- a.readOrders() }()
	tick := time.NewTicker(ordersSilence / 10)
	defer tick.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-tick.C:
			if time.Since(a.pulse.At()) > ordersSilence {
				return errors.New("no orders came from the launcher")
			}
		}
	}
}

func (a *agent) readOrders() error {
	var err error
	if a.control, err = a.session.AcceptStream(); err != nil {
		return fmt.Errorf("wait for the launcher: %w", err)
	}
	if err := talk.ReadMessage(a.control, talk.MaxEnvelope, talk.FrameOrders, &a.orders); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	if a.orders.Lease <= 0 {
		a.orders.Lease = talk.DefaultLease
	}
	a.deadman.allow(a.patience())
	records, err := a.session.AcceptStream()
	if err != nil {
		return fmt.Errorf("wait for the launcher: %w", err)
	}
	a.records = record.New(records, a.orders.LogRate, a.orders.RecordPatience())
	if len(a.orders.Token) == len(resume.Token{}) {
		a.stream.Allow(resume.Token(a.orders.Token))
	}
	go a.readControl() // answers pings from here on, however long the start takes
	return nil
}

// patience is for how long this process may show no sign of life before it, and all below it, are killed.
func (a *agent) patience() time.Duration { return a.orders.Lease + talk.LeaseNotice }

// start makes the work folder and starts the worker in it.
func (a *agent) start() error {
	if err := a.makeDir(); err != nil {
		return err
	}
	if a.orders.Files {
		if err := a.awaitFiles(); err != nil {
			return err
		}
	}
	var err error
	if a.exe, err = os.Executable(); err != nil {
		return fmt.Errorf("find the own executable: %w", err)
	}
	a.noteUse()
	var near, far [5]*os.File // worker's input, output, stdout, stderr, logs
	for i := range near {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("make pipes for the worker: %w", err)
		}
		near[i], far[i] = r, w
		if i == 0 {
			near[i], far[i] = w, r
		}
	}
	a.pipes = near[2:]
	a.ward, err = startWard(exec.Cmd{
		Path:       a.exe,
		Args:       os.Args,
		Env:        append(append(talk.HostEnv(), a.orders.Env...), talk.MarkVariable+"="+os.Getenv(talk.MarkVariable)),
		Dir:        a.dir,
		Stdout:     far[2],
		Stderr:     far[3],
		ExtraFiles: []*os.File{far[0], far[1], far[4]},
	}, a.onFirst, a.patience(), a.exited)
	if err != nil {
		return err
	}
	for _, f := range far {
		_ = f.Close()
	}
	for i, read := range []func(io.Reader){
		func(r io.Reader) { a.records.ReadLines(record.Stdout, r) },
		func(r io.Reader) { a.records.ReadLines(record.Stderr, r) },
		a.records.ReadLogs,
	} {
		a.readers.Go(func() { read(a.pipes[i]) })
	}
	a.worker, err = yamux.Client(talk.PipeConn{ReadCloser: near[1], W: near[0]}, talk.MuxConfig())
	if err != nil {
		return err
	}
	if a.notify, err = a.worker.OpenStream(); err != nil {
		a.notify = nil
	}
	a.bridge = a.openDoor()
	return nil
}

func (a *agent) send(kind talk.Kind, message any) error {
	a.controlMu.Lock()
	defer a.controlMu.Unlock()
	return talk.WriteMessage(a.control, kind, message)
}

// supervise runs from the worker's start to the agent's end.
func (a *agent) supervise(signals <-chan os.Signal) int {
	briefed := make(chan struct{}) // closed when the worker was given its orders, which it wants to hear before anything else
	go func() {
		// A worker that ends before it has taken its orders is no failure of this: its exit, which follows, says how.
		if a.notify != nil {
			_ = talk.WriteMessage(a.notify, talk.FrameOrders, talk.GuestOrders{Run: a.orders.Run, Host: a.orders.Host, Dir: a.dir, Orders: a.orders.Orders})
		}
		close(briefed)
		a.orders.Orders = nil
		debug.SetMemoryLimit(24 << 20)
		select {
		case <-time.After(Settling):
			runtime.SetDefaultGOMAXPROCS() // see talk.OneProcessor
			debug.SetGCPercent(50)         // not before: a start would pay for a collection that finds nothing
			debug.FreeOSMemory()
			Trim()
			a.sweep()
			a.keepNoting()
		case <-a.exited:
		}
	}()
	go a.relay(a.session, a.worker, false)
	go func() {
		a.relay(a.worker, a.session, true)
		close(a.relaying)
	}()
	go a.watchSignals(signals)
	go a.watchWorker()
	s := supervisor{
		lease:     lease{length: a.orders.Lease, heard: a.pulse.At()},
		heard:     a.pulse.At,
		terminate: a.terminate,
		exited:    a.exited,
		lost: func() {
			a.records.Stop()
			a.hangUp()
		},
		warn: func(cause talk.StopCause) {
			go func() {
				<-briefed
				a.warn(cause)
			}()
		},
		kill: func(talk.StopCause) { a.ward.kill() },
	}
	s.run()
	return a.finish()
}

// hangUp gives the launcher up.
func (a *agent) hangUp() {
	a.stream.Break(talk.ErrLeaseLost)
	_ = a.session.Close()
}

// openDoor lets the launcher in again when it has lost its link, and says how.
func (a *agent) openDoor() talk.BridgeReport {
	if len(a.orders.Token) == 0 {
		return talk.BridgeReport{}
	}
	var err error
	if a.door, err = openDoor(a.stream); err != nil {
		a.records.Say(slog.LevelWarn, "a lost connection will not be taken up again: "+err.Error())
		return talk.BridgeReport{}
	}
	return talk.BridgeReport{Program: a.exe, Door: a.door.name}
}

// readControl takes what the launcher says until the link ends.
func (a *agent) readControl() {
	proceeding := false
	for {
		kind, payload, err := talk.ReadFrame(a.control, talk.MaxControl)
		if err != nil {
			return // silence has begun; the lease decides
		}
		switch kind {
		case talk.FramePing:
			a.controlMu.Lock()
			err = talk.WriteFrame(a.control, talk.FramePong, nil)
			a.controlMu.Unlock()
			if err != nil {
				return
			}
		case talk.FrameProceed:
			if !proceeding {
				proceeding = true
				close(a.proceed)
			}
		case talk.FrameTerminate:
			if notice, err := talk.DecodeNotice(payload); err == nil {
				select {
				case a.terminate <- notice:
				case <-a.exited:
				}
			}
		}
	}
}

// watchSignals stops the worker when the host goes down, and collects orphans that were handed to us.
func (a *agent) watchSignals(signals <-chan os.Signal) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	for {
		select {
		case s := <-signals:
			if s == unix.SIGTERM {
				a.records.Say(slog.LevelWarn, "the host's process got SIGTERM and stops")
				select {
				case a.terminate <- talk.LeaseNotice:
				case <-a.exited:
				}
			}
		case <-children:
			a.ward.reap()
		case <-a.exited:
			return
		}
	}
}

func (a *agent) warn(cause talk.StopCause) {
	if a.notify != nil {
		_ = talk.WriteFrame(a.notify, talk.FrameNotice, []byte{byte(cause)})
	}
}

// finish follows the worker's end: no process, no bytes and no files are left behind, then the launcher hears how it ended.
func (a *agent) finish() int {
	report, left := a.ward.finish()
	stop := a.watchLease()
	a.emptyPipes()
	a.drainRelays()
	a.cleanUp()
	report.Left, report.Silent = left, a.silent.Load()
	<-a.entry
	report.Entered, report.Overdue = a.entered, a.overdue
	payload, err := cbor.Marshal(report)
	if err == nil {
		a.records.Finish(talk.AppendFrame(nil, talk.FrameExit, payload))
		// Our end would break the launcher's writes, and with them its reading of what is still on the way: it closes when it has read all.
		<-a.session.CloseChan()
	}
	stop()
	if a.door != nil {
		a.door.close()
	}
	return 0
}

// watchLease breaks the link when the launcher falls silent while the last bytes are on their way.
func (a *agent) watchLease() (stop func()) {
	done := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(a.orders.Lease / 4)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if time.Since(a.pulse.At()) > a.orders.Lease {
					a.records.Stop()
					a.hangUp()
					return
				}
			}
		}
	}()
	return func() {
		close(done)
		<-over
	}
}
