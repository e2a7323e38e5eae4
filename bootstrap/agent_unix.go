//go:build unix

package bootstrap

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"
)

// ordersSilence is how long an agent waits for the next byte of its orders, before it knows its lease.
const ordersSilence = 10 * time.Second

// relayGrace bounds how long the end of a worker waits for streams whose reader at the launcher does not read.
const relayGrace = 2 * time.Second

// agent supervises one worker: it relays its streams, records its output, holds its lease, and leaves nothing behind.
type agent struct {
	orders  agentOrders
	pulse   *pulse
	session *yamux.Session // with the launcher
	control *yamux.Stream
	records *recorder
	dir     string

	cmd    *exec.Cmd
	worker *yamux.Session // with the worker
	notify *yamux.Stream  // notices to the worker

	controlMu sync.Mutex // orders frames on control
	terminate chan time.Duration
	exited    chan struct{} // closed when the worker has been waited for
	relaying  chan struct{} // closed when no more streams come from the worker
	readers   sync.WaitGroup
	pipes     []*os.File // the worker's output

	relayMu    sync.Mutex
	relays     sync.WaitGroup // directions towards the launcher
	relaysOver bool           // no more are counted
}

// runAgent is the whole life of an agent's process; it returns the status to exit with.
func runAgent() int {
	// The worker's parent-death signal follows the thread that starts it, so this thread must last as long as the process.
	runtime.LockOSThread()
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(24 << 20)

	// The launcher's going away must not end us before the worker is stopped. The signals are caught rather than ignored,
	// because what is ignored stays so in the worker.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGPIPE, unix.SIGTERM, unix.SIGQUIT)

	link, err := claimStdio()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap: agent:", err)
		return exitBroken
	}
	a := &agent{pulse: link.pulse, terminate: make(chan time.Duration, 8), exited: make(chan struct{}), relaying: make(chan struct{})}
	if err := a.greet(link); err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap: agent:", err)
		return exitBroken
	}
	if err := a.start(); err != nil {
		a.cleanUp()
		_ = a.send(frameStarted, startReport{Error: err.Error()})
		_ = a.control.Close()
		select { // the launcher closes once it has read the reason
		case <-a.session.CloseChan():
		case <-time.After(a.orders.Lease):
		}
		return exitBroken
	}
	debug.FreeOSMemory()
	return a.supervise(signals)
}

// stdio is the process's standard input and output, taken away from everybody else.
type stdio struct {
	in    *os.File
	out   *os.File
	pulse *pulse
}

func (s *stdio) Read(b []byte) (int, error) { return pulseReader{s.in, s.pulse}.Read(b) }

func (s *stdio) Write(b []byte) (int, error) { return s.out.Write(b) }

func (s *stdio) Close() error { return errors.Join(s.in.Close(), s.out.Close()) }

// claimStdio moves the link to descriptors of its own: what else in this process prints goes to standard error from now on.
func claimStdio() (*stdio, error) {
	take := func(fd int, name string) (*os.File, error) {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, fmt.Errorf("take %s: %w", name, err)
		}
		if err := unix.SetNonblock(own, true); err != nil {
			return nil, fmt.Errorf("take %s: %w", name, err)
		}
		return os.NewFile(uintptr(own), name), nil
	}
	in, err := take(0, "link in")
	if err != nil {
		return nil, err
	}
	out, err := take(1, "link out")
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	if err := unix.Dup2(int(null.Fd()), 0); err != nil {
		return nil, fmt.Errorf("replace standard input: %w", err)
	}
	if err := unix.Dup2(2, 1); err != nil {
		return nil, fmt.Errorf("replace standard output: %w", err)
	}
	return &stdio{in: in, out: out, pulse: newPulse()}, nil
}

// greet opens the session with the launcher and reads the orders.
func (a *agent) greet(link *stdio) error {
	if _, err := io.WriteString(link.out, preamble); err != nil {
		return fmt.Errorf("greet the launcher: %w", err)
	}
	session, err := yamux.Server(link, muxConfig())
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
			if time.Since(a.pulse.at()) > ordersSilence {
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
	if err := readMessage(a.control, maxEnvelope, frameOrders, &a.orders); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	records, err := a.session.AcceptStream()
	if err != nil {
		return fmt.Errorf("wait for the launcher: %w", err)
	}
	if a.orders.Lease <= 0 {
		a.orders.Lease = DefaultLease
	}
	a.records = newRecorder(records)
	go a.readControl() // answers pings from here on, however long the start takes
	return nil
}

// start makes the work folder and starts the worker in it.
func (a *agent) start() error {
	if err := becomeReaper(); err != nil {
		return fmt.Errorf("become the reaper of the worker's children: %w", err)
	}
	if err := a.makeDir(); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own executable: %w", err)
	}
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
	a.cmd = &exec.Cmd{
		Path:        exe,
		Args:        os.Args,
		Env:         append(hostEnv(), append(a.orders.Env, marker+"="+markerWorker)...),
		Dir:         a.dir,
		Stdout:      far[2],
		Stderr:      far[3],
		ExtraFiles:  []*os.File{far[0], far[1], far[4]},
		SysProcAttr: workerAttr(),
	}
	if err := a.cmd.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	for _, f := range far {
		_ = f.Close()
	}
	for i, read := range []func(io.Reader){
		func(r io.Reader) { a.records.readLines(Stdout, r) },
		func(r io.Reader) { a.records.readLines(Stderr, r) },
		a.records.readLogs,
	} {
		a.readers.Go(func() { read(a.pipes[i]) })
	}
	a.worker, err = yamux.Client(pipeConn{near[1], near[0]}, muxConfig())
	if err != nil {
		return err
	}
	if a.notify, err = a.worker.OpenStream(); err != nil {
		return fmt.Errorf("reach the worker: %w", err)
	}
	return nil
}

// pipeConn is a pair of pipes as one connection.
type pipeConn struct {
	io.ReadCloser
	w io.WriteCloser
}

func (c pipeConn) Write(b []byte) (int, error) { return c.w.Write(b) }

func (c pipeConn) Close() error { return errors.Join(c.ReadCloser.Close(), c.w.Close()) }

// makeDir makes the work folder under the first base that allows it and links in what was shipped.
func (a *agent) makeDir() error {
	var failed []error
	for _, base := range a.orders.Bases {
		if base == "" {
			base = os.TempDir()
		}
		if err := os.MkdirAll(base, 0o700); err != nil {
			failed = append(failed, err)
			continue
		}
		dir, err := os.MkdirTemp(base, "tlaunch-"+fileName(a.orders.Run)+"-"+fileName(a.orders.Host)+"-")
		if err == nil {
			a.dir = dir
			break
		}
		failed = append(failed, err)
	}
	if a.dir == "" {
		return fmt.Errorf("make a work folder: %w", errors.Join(failed...))
	}
	for _, s := range a.orders.Ship {
		if err := os.CopyFS(filepath.Join(a.dir, filepath.Base(s.Name)), os.DirFS(s.Path)); err != nil {
			return fmt.Errorf("bring %s into the work folder: %w", s.Name, err)
		}
	}
	return nil
}

// fileName makes a part of a file name from a display name.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), 40)]
}

func (a *agent) send(kind frameKind, message any) error {
	a.controlMu.Lock()
	defer a.controlMu.Unlock()
	return writeMessage(a.control, kind, message)
}

// supervise runs from the worker's start to the agent's end.
func (a *agent) supervise(signals <-chan os.Signal) int {
	go func() {
		// A worker that ends before it has taken its orders is no failure of the start: its exit, which follows, says how.
		_ = writeMessage(a.notify, frameOrders, guestOrders{Run: a.orders.Run, Host: a.orders.Host, Dir: a.dir, Orders: a.orders.Orders})
		_ = a.send(frameStarted, startReport{Dir: a.dir})
		a.orders.Orders = nil
	}()
	go a.relay(a.session, a.worker, false)
	go func() {
		a.relay(a.worker, a.session, true)
		close(a.relaying)
	}()
	go a.watchSignals(signals)
	go func() {
		_ = a.cmd.Wait() // the state says how it ended
		close(a.exited)
	}()
	s := supervisor{
		lease:     lease{length: a.orders.Lease, heard: a.pulse.at()},
		heard:     a.pulse.at,
		terminate: a.terminate,
		exited:    a.exited,
		lost: func() {
			a.records.stop()
			_ = a.session.Close()
		},
		warn: func(cause stopCause) { go a.warn(cause) },
		kill: func(stopCause) {
			_ = unix.Kill(-a.cmd.Process.Pid, unix.SIGKILL)
			_ = a.cmd.Process.Kill()
			killDescendants(a.cmd.Process.Pid)
		},
	}
	s.run()
	return a.finish()
}

// readControl takes what the launcher says until the link ends.
func (a *agent) readControl() {
	for {
		kind, payload, err := readFrame(a.control, maxControl)
		if err != nil {
			return // silence has begun; the lease decides
		}
		switch kind {
		case framePing:
			a.controlMu.Lock()
			err = writeFrame(a.control, framePong, nil)
			a.controlMu.Unlock()
			if err != nil {
				return
			}
		case frameTerminate:
			if notice, err := decodeNotice(payload); err == nil {
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
				a.records.say(slog.LevelWarn, "the host's process got SIGTERM and stops")
				select {
				case a.terminate <- LeaseNotice:
				case <-a.exited:
				}
			}
		case <-children:
			reapOrphans(a.cmd.Process.Pid)
		case <-a.exited:
			return
		}
	}
}

func (a *agent) warn(cause stopCause) {
	_ = writeFrame(a.notify, frameNotice, []byte{byte(cause)})
}

// relay passes every stream that arrives at from on to to.
func (a *agent) relay(from, to *yamux.Session, fromWorker bool) {
	for {
		in, err := from.AcceptStream()
		if err != nil {
			return
		}
		out, err := to.OpenStream()
		if err != nil {
			_ = in.Close()
			continue
		}
		back, forth := in, out // data towards the launcher are waited for at the end
		if fromWorker {
			back, forth = out, in
		}
		a.relayMu.Lock()
		if a.relaysOver {
			go pump(back, forth)
		} else {
			a.relays.Go(func() { pump(back, forth) })
		}
		a.relayMu.Unlock()
		go pump(forth, back)
	}
}

// drainRelays waits until what the worker wrote to streams has been passed on.
func (a *agent) drainRelays() {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-a.relaying
		a.relayMu.Lock()
		a.relaysOver = true
		a.relayMu.Unlock()
		a.relays.Wait()
	}()
	select {
	case <-drained:
	case <-time.After(relayGrace):
	}
}

// pump copies one direction of a stream and closes it.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

// finish follows the worker's end: no process, no bytes and no files are left behind, then the launcher hears how it ended.
func (a *agent) finish() int {
	left := killDescendants(0)
	if left > 0 {
		// Somebody holds the pipes for ever: what is in them now is all that is waited for.
		for _, p := range a.pipes {
			_ = p.SetReadDeadline(time.Now().Add(time.Second))
		}
	}
	stop := a.watchLease()
	a.readers.Wait()
	a.drainRelays()
	a.cleanUp()
	report := exitOf(a.cmd.ProcessState)
	report.Left = left
	payload, err := cbor.Marshal(report)
	if err == nil {
		a.records.finish(appendFrame(nil, frameExit, payload))
	}
	stop()
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
				if time.Since(a.pulse.at()) > a.orders.Lease {
					a.records.stop()
					_ = a.session.Close()
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

// cleanUp removes the work folder, folders without write permission included.
func (a *agent) cleanUp() {
	if a.dir == "" || os.RemoveAll(a.dir) == nil {
		return
	}
	_ = filepath.WalkDir(a.dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(a.dir)
}

// exitOf says how a worker ended.
func exitOf(state *os.ProcessState) exitReport {
	var r exitReport
	r.Code = state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		r.Code, r.Signal = 128+int(ws.Signal()), unix.SignalName(ws.Signal())
	}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		r.MaxRSS = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" {
			r.MaxRSS *= 1024 // kilobytes there, bytes on macOS
		}
	}
	return r
}
