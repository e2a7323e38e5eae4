package bootstrap

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/resume"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// Process is a worker on a host, as its launcher sees it. Its methods are safe for concurrent use.
type Process struct {
	cfg     *Config
	host    inventory.Host
	link    *link
	stream  *resume.Stream // what the session travels over
	silent  chan struct{}  // closed by watch: nothing was heard for longer than the lease
	lost    chan error     // capacity 1: what carried the stream has failed
	session *yamux.Session
	pulse   *talk.Pulse
	ready   chan struct{} // closed when dir is there, where the agent waits for files
	brought chan struct{} // closed when the files are there
	started chan struct{} // closed when report is there

	records   chan Record   // to deliver, the only caller of Config.Log
	delivered chan struct{} // closed when deliver has returned
	last      lastLines     // owned by deliver
	out       sync.WaitGroup

	mu      sync.Mutex
	dir     string            // work folder on the host, once known
	report  *talk.StartReport // nil until the agent has said whether the worker runs
	asked   bool
	notice  time.Duration // the strictest asked for
	changed chan struct{} // capacity 1: asked or notice changed
	cutErr  error         // why the link was broken from this side

	stop  chan struct{} // closed when watch and ping are to end
	ended context.Context
	end   context.CancelFunc
	exit  Exit // valid once ended

	entered bool // it had reached [Enter]; valid once ended
	overdue bool // it was killed because it had not; likewise
}

// newProcess greets the agent at the other end of l and gives it its orders. It owns l, also where it fails.
func newProcess(ctx context.Context, cfg *Config, h inventory.Host, l *link, orders talk.AgentOrders) (*Process, error) {
	p := &Process{
		cfg: cfg, host: h, link: l, pulse: talk.NewPulse(),
		records: make(chan Record), delivered: make(chan struct{}),
		silent: make(chan struct{}), lost: make(chan error, 1), changed: make(chan struct{}, 1), ready: make(chan struct{}), brought: make(chan struct{}), started: make(chan struct{}), stop: make(chan struct{}),
	}
	p.last.max = 20
	p.ended, p.end = context.WithCancel(context.Background())
	go p.deliver()
	p.out.Go(func() { p.readStderr(l.err) })

	reader, err := l.greet(ctx, cfg.HelloTimeout, func(line string) { p.unnumbered(Stdout, line) })
	if err == nil {
		p.pulse.Beat()
		p.stream = resume.New(linkConn{reader, l}, resume.Config{Lost: p.noteLoss})
		p.session, err = yamux.Client(talk.Heard{Stream: p.stream, Pulse: p.pulse}, talk.MuxConfig())
	}
	if err != nil {
		l.kill()        // no agent is in charge yet, so nobody is there to end it more gently
		_ = p.letGo("") // why it failed is known
		p.end()
		return nil, p.startError(ctx, err)
	}
	if l.again != nil {
		var token resume.Token
		_, _ = rand.Read(token[:]) // it never fails
		p.stream.Allow(token)
		orders.Token = token[:]
	}
	go p.run(orders)
	if orders.Files {
		if err := p.bringFiles(ctx); err != nil {
			p.undo()
			return nil, hostFailure(ctx, h, "ship", err)
		}
	}
	select {
	case <-p.started:
	case <-p.Done():
	case <-ctx.Done():
		p.undo()
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	report := p.report
	p.mu.Unlock()
	switch {
	case report == nil && p.exit.Lost: // before the agent said anything
		return nil, p.startError(ctx, p.exit.Err)
	case report == nil && !p.entered:
		return nil, p.startError(ctx, p.noEntry())
	case report == nil: // it has ended already; that it runs was overtaken by that
		p.mu.Lock()
		p.report = &talk.StartReport{Dir: p.dir}
		p.mu.Unlock()
	case report.Error != "":
		<-p.Done()
		return nil, p.startError(ctx, fmt.Errorf("the host says: %s", report.Error))
	}
	return p, nil
}

// noEntry says why a process that has ended never reached [Enter].
func (p *Process) noEntry() error {
	if p.overdue {
		return fmt.Errorf("%w: it still ran after %v", ErrNoInit, p.cfg.HelloTimeout)
	}
	return fmt.Errorf("%w: it ended before that, with %v", ErrNoInit, p.exit)
}

// undo ends a start that failed half-way. The agent cleans up; one that goes on talking without doing so is given up with its link.
func (p *Process) undo() {
	p.Terminate(0)
	overdue := time.AfterFunc(p.cfg.Lease+LeaseNotice, func() { p.cut(errors.New("the agent did not end when told to")) })
	<-p.Done()
	overdue.Stop()
}

// bringFiles fills the work folder once the agent has made it. A process that ends meanwhile is none of its errors.
func (p *Process) bringFiles(ctx context.Context) error {
	select {
	case <-p.ready:
	case <-p.started: // the agent could not make the folder, and says so
		return nil
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ended, cancel)()
	p.mu.Lock()
	dir := p.dir
	p.mu.Unlock()
	if err := p.link.bring(ctx, dir); err != nil && p.ended.Err() == nil {
		return err
	}
	close(p.brought)
	return nil
}

// startError explains a start that failed; all output has been seen.
func (p *Process) startError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return cause
	}
	failed := &HostError{Host: p.host.Name, Op: "start", Err: err}
	if errors.Is(err, ErrNoInit) {
		failed.Remedy = "call tlaunch.Init first thing in main"
	}
	if last := p.last.lines(); len(last) > 0 {
		failed.Err = fmt.Errorf("%w; its last line was %q", err, last[len(last)-1])
	}
	return failed
}

// Host returns the host that the process was started on.
func (p *Process) Host() inventory.Host { return p.host }

// DataAddress returns the address, without a port, by which other hosts reach this one: what the inventory says, else the
// one by which the launcher reached it, or behind jump hosts the one by which the last of these did; 127.0.0.1 for a local process.
func (p *Process) DataAddress() string {
	if p.host.Data != "" {
		return p.host.Data
	}
	return p.link.address
}

// Dial opens a stream to the worker, which takes it with [Guest.Accept]. It returns before the worker has.
func (p *Process) Dial(ctx context.Context) (net.Conn, error) { return openStream(ctx, p.session) }

// Accept waits for a stream that the worker has opened with [Guest.Dial]. After the end of the process it returns [ErrClosed].
func (p *Process) Accept() (net.Conn, error) { return acceptStream(p.session) }

// Terminate asks the process to stop: [Guest.Context] ends, and after notice the process and its children are killed.
// Zero kills at once, negative never. Of several requests the strictest holds. It does not wait: see [Process.Done].
func (p *Process) Terminate(notice time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked && (notice < 0 || p.notice >= 0 && notice >= p.notice) {
		return
	}
	p.asked, p.notice = true, notice
	select {
	case p.changed <- struct{}{}:
	default: // a change is already waiting to be seen
	}
}

// Done is closed when the process has ended, its last record was logged and its status is known, or known to be lost.
func (p *Process) Done() <-chan struct{} { return p.ended.Done() }

// Silent is closed when nothing has been heard of the host for longer than the lease: by then it ends the process by itself. [Process.Done] follows
// after [LeaseNotice], when nothing can be left of it. Of a process that ends while the host is heard it is never closed.
func (p *Process) Silent() <-chan struct{} { return p.silent }

// Exit says how the process ended. Before Done it returns the zero Exit.
func (p *Process) Exit() Exit {
	select {
	case <-p.ended.Done():
		return p.exit
	default:
		return Exit{}
	}
}

// cut breaks the link; the first reason is kept. The agent, if it lives, ends the process as its lease runs out.
func (p *Process) cut(why error) {
	p.giveUp(why)
	p.link.cut()
}

// giveUp ends what goes over the link, which is of no use any more; the first reason is kept. The connection stays, as far as it is there, to tidy up over it.
func (p *Process) giveUp(why error) {
	p.mu.Lock()
	if p.cutErr == nil {
		p.cutErr = why
	}
	p.mu.Unlock()
	p.stream.Break(why)
}

// noteLoss hears that the stream has lost what carried it.
func (p *Process) noteLoss(cause error) {
	select {
	case p.lost <- cause:
	default: // the one before was not taken notice of yet
	}
}

// errFarewell is never seen: what ends with it has ended before.
var errFarewell = errors.New("bootstrap: the host does not take leave")

// run gives the orders and follows the process to its end.
func (p *Process) run(orders talk.AgentOrders) {
	var talking sync.WaitGroup
	talking.Go(p.watch)
	exit, err := p.follow(orders, &talking)
	close(p.stop)
	farewell := LeaseNotice
	if err == nil && (!p.stream.Carried() || time.Since(p.pulse.At()) > p.suspicious()) {
		farewell = 0 // all is known, and the agent ends by itself
	}
	stuck := time.AfterFunc(farewell, func() { p.cut(errFarewell) }) // it is no reason to wait for a host that is gone
	_ = p.session.Close()
	talking.Wait()
	stuck.Stop()
	p.mu.Lock()
	why, dir := p.cutErr, p.dir
	if err == nil {
		dir = "" // the agent has removed it
	}
	p.mu.Unlock()
	status := p.letGo(dir)
	p.stream.Wait()
	p.exit = Exit{Code: exit.Code, Signal: exit.Signal, Memory: exit.Memory, MaxRSS: exit.MaxRSS, Left: exit.Left, Silent: exit.Silent, Last: p.last.lines()}
	p.entered, p.overdue = exit.Entered, exit.Overdue
	if err != nil {
		if why == nil {
			why = errors.Join(err, status) // which otherwise follow from it
		}
		p.exit = Exit{Code: -1, Lost: true, Last: p.last.lines(), Err: fmt.Errorf("%w: %w", ErrNoStatus, why)}
	}
	p.end()
}

// follow returns the worker's status, or why there is none.
func (p *Process) follow(orders talk.AgentOrders, talking *sync.WaitGroup) (talk.ExitReport, error) {
	control, err := p.session.OpenStream()
	if err != nil {
		return talk.ExitReport{}, err
	}
	if err := talk.WriteMessage(control, talk.FrameOrders, orders); err != nil {
		return talk.ExitReport{}, err
	}
	records, err := p.session.OpenStream()
	if err != nil {
		return talk.ExitReport{}, err
	}
	talking.Go(func() { p.ping(control) })
	listened := make(chan struct{})
	talking.Go(func() {
		defer close(listened)
		p.listen(control)
	})
	// Between the end of the session and that of its connection, which the host has a part in, a stream's Read does not block but spins. So nobody may
	// read any more when the session is closed: many that spin also keep whoever could end it from their processors.
	defer func() {
		_ = control.SetReadDeadline(time.Now())
		<-listened
	}()
	return p.readRecords(records)
}

// letGo waits for the end of the command and frees what belongs to it, in this order: the command itself, which is killed when
// it does not end by its lease; the work folder dir, unless empty; standard error, which somebody else may hold open; the log.
func (p *Process) letGo(dir string) error {
	overdue := time.AfterFunc(p.cfg.Lease+2*LeaseNotice, p.link.kill)
	status := p.link.wait()
	overdue.Stop()
	if dir != "" {
		p.link.abandon(dir)
	}
	held := time.AfterFunc(time.Second, func() { _ = p.link.err.Close() })
	p.out.Wait()
	held.Stop()
	p.link.release()
	close(p.records)
	<-p.delivered
	return status
}

// readRecords returns the worker's status, the last frame of the record stream, or why there is none.
func (p *Process) readRecords(stream io.Reader) (talk.ExitReport, error) {
	in := bufio.NewReaderSize(stream, record.MaxPiece)
	whole := assembler{host: p.host.Name}
	for {
		kind, payload, err := talk.ReadFrame(in, record.PieceHeader+record.MaxPiece)
		if err != nil {
			return talk.ExitReport{}, err
		}
		switch kind {
		case talk.FramePiece:
			part, err := record.ParsePiece(payload)
			if err != nil {
				return talk.ExitReport{}, err
			}
			record, complete, err := whole.add(part)
			if err != nil {
				return talk.ExitReport{}, err
			}
			if complete {
				p.records <- record
			}
		case talk.FrameExit:
			var report talk.ExitReport
			return report, talk.Decode(payload, &report)
		default:
			return talk.ExitReport{}, fmt.Errorf("%w: kind %d among records", talk.ErrFrame, kind)
		}
	}
}

// ping keeps the lease and passes requests to stop. A write that fails means that the link ends: the record stream says why.
func (p *Process) ping(control io.Writer) {
	every := time.NewTicker(p.cfg.Lease / 10)
	defer every.Stop()
	brought := p.brought
	for {
		var err error
		select {
		case <-p.stop:
			return
		case <-every.C:
			err = talk.WriteFrame(control, talk.FramePing, nil)
		case <-brought:
			brought = nil
			err = talk.WriteFrame(control, talk.FrameProceed, nil)
		case <-p.changed:
			p.mu.Lock()
			notice := p.notice
			p.mu.Unlock()
			err = talk.WriteFrame(control, talk.FrameTerminate, talk.EncodeNotice(notice))
		}
		if err != nil {
			return
		}
	}
}

// listen takes the agent's word on work folder and start; of its answers to pings only that they came matters.
func (p *Process) listen(control io.Reader) {
	for {
		kind, payload, err := talk.ReadFrame(control, talk.MaxReport)
		if errors.Is(err, talk.ErrFrame) {
			p.cut(err) // what follows cannot be made sense of
		}
		if err != nil {
			return
		}
		switch kind {
		case talk.FrameReady:
			var ready talk.ReadyReport
			if err := talk.Decode(payload, &ready); err != nil {
				p.cut(fmt.Errorf("%w: kind %d: %w", talk.ErrFrame, kind, err))
				return
			}
			p.note(func() bool { return p.dir == "" }, func() { p.dir = ready.Dir }, p.ready)
		case talk.FrameStarted:
			var report talk.StartReport
			if err := talk.Decode(payload, &report); err != nil {
				report.Error = err.Error()
			}
			p.note(func() bool { return p.report == nil }, func() { p.dir, p.report = report.Dir, &report }, p.started)
			if report.Error != "" {
				p.cut(errors.New(report.Error)) // the agent waits for nothing else
			}
		}
	}
}

// note takes the agent's word once and closes said.
func (p *Process) note(first func() bool, take func(), said chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first() {
		take()
		close(said)
	}
}

// readStderr logs what the command itself says: start files, and agents that cannot do their work.
func (p *Process) readStderr(r io.Reader) {
	in := bufio.NewReaderSize(r, record.MaxPiece)
	for {
		line, err := in.ReadSlice('\n')
		if n := len(line); n > 0 {
			if line[n-1] == '\n' {
				line = line[:n-1]
			}
			p.unnumbered(Agent, string(line))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (p *Process) unnumbered(stream Stream, text string) {
	p.records <- Record{Host: p.host.Name, Time: time.Now().UTC(), Stream: stream, Text: text}
}

// deliver calls Log, alone and in order.
func (p *Process) deliver() {
	defer close(p.delivered)
	for r := range p.records {
		p.last.add(r)
		p.cfg.Log(r)
	}
}
