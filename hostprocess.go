package tlaunch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// hostProcess is the launcher's end of one host.
type hostProcess struct {
	name        string
	incarnation uint64
	proc        *bootstrap.Process

	sendMu  sync.Mutex
	encoder *cbor.Encoder // of commands; nil until the host has opened its control stream

	ready chan error     // told once, see settle: registered, or why not
	heard sync.WaitGroup // of the streams that the host has opened, which end with its process
	over  chan struct{}  // closed when the process has ended and all it said was heard

	mu       sync.Mutex
	settled  bool // ready was told
	address  string
	welcomed int64           // when the welcome was sent, in Unix nanoseconds
	facts    *hostFacts      // nil until it is ready
	clock    clockReading    // valid with facts
	masters  map[string]int  // ports held for rank 0 of commands, by label
	told     bool            // the host has said that it knows of the run's end
	killed   bool            // its process was ended from here: the notice was over
	dropped  bool            // it was ended from here before its nodes started: another will be tried
	ended    bool            // the host has said that its nodes have ended
	errors   []remoteOutcome // and what went wrong then
}

// accept takes the streams that a host opens.
func (f *fleet) accept(p *hostProcess) {
	for {
		conn, err := p.proc.Accept()
		if err != nil {
			return
		}
		p.heard.Add(1)
		f.group.Go(func() { f.serveStream(p, conn) })
	}
}

func (f *fleet) serveStream(p *hostProcess, conn net.Conn) {
	defer p.heard.Done()
	defer conn.Close()
	purpose, err := purposeOf(conn)
	switch {
	case err != nil:
	case purpose == streamControl:
		p.welcome(conn, time.Now())
		f.recall(p)
		f.hear(p, conn)
	case purpose == streamRegistry && f.embedded != nil:
		if err := f.embedded.Serve(f.ctx, conn); err != nil {
			f.settings.logger.Debug("registry stream", "host", p.name, "error", err)
		}
	default:
		f.settings.logger.Warn("unknown stream", "host", p.name, "purpose", purpose)
	}
}

// hear takes a host's reports until its stream ends.
func (f *fleet) hear(p *hostProcess, conn net.Conn) {
	dec := controlDecMode.NewDecoder(conn)
	for {
		var r report
		if err := dec.Decode(&r); err != nil {
			return // the end of the process says what happened
		}
		switch {
		case r.Ready != "":
			p.mu.Lock()
			p.address, p.masters = r.Ready, r.Masters
			p.noteLocked(r.Facts, time.Now())
			p.mu.Unlock()
			f.where.joined(p.name, r.Ready, p.incarnation)
			p.settle(nil)
		case r.Different != nil:
			p.settle(&bootstrap.HostError{Host: p.name, Op: "compare the program", Err: r.Different})
		case r.Refused != nil, r.Unfit != nil:
			err := &bootstrap.HostError{Host: p.name, Op: cmp.Or(r.Step, "join")}
			if r.Unfit != nil {
				err.Op, err.Err, err.Remedy = r.Unfit.Op, errors.New(r.Unfit.Text), r.Unfit.Remedy
			} else {
				err.Err = errors.New(r.Refused.Text)
			}
			if !p.settle(err) {
				f.failed(failure{blameOwn, p.name, "", err})
			}
		case r.Reached != nil:
			f.reached(p.name, *r.Reached)
		case r.Outcome != nil:
			f.run.nodeEnded(r.Outcome.outcome(p.name), p.knows())
		case r.Stop:
			f.run.beginEnd(true)
		case r.Told:
			p.mu.Lock()
			p.told = true
			p.mu.Unlock()
		case r.Join != nil:
			p.command(command{Joined: f.door.answer(*r.Join)})
		case r.Ended:
			p.mu.Lock()
			p.ended, p.errors = true, r.Errors
			p.mu.Unlock()
		}
	}
}

// welcome tells the host what it cannot know before. It is the first command,
// whoever has others for the host from now on.
func (p *hostProcess) welcome(conn net.Conn, now time.Time) {
	p.mu.Lock()
	p.welcomed = now.UnixNano()
	p.mu.Unlock()
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	p.encoder = cbor.NewEncoder(conn)
	_ = p.encoder.Encode(command{Welcome: &welcome{p.proc.DataAddress(), now.UnixNano()}}) // as in command
}

// noteLocked keeps what a host that is ready says of itself.
func (p *hostProcess) noteLocked(facts *hostFacts, now time.Time) {
	if facts == nil {
		facts = &hostFacts{Free: -1}
	}
	p.facts = facts
	p.clock = readClock(p.welcomed, facts.Heard, facts.Sent, now.UnixNano())
}

// settle says, once, that the host is ready or why not, and reports whether
// that was still open.
func (p *hostProcess) settle(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled {
		return false
	}
	p.settled = true
	p.ready <- err // there is room for one
	return true
}

// failed takes the failure of a host that was ready: the run's, or before the
// nodes were started that of the launch.
func (f *fleet) failed(why failure) {
	f.mu.Lock()
	started := f.started
	if !started {
		f.early = append(f.early, why)
	}
	f.mu.Unlock()
	if started {
		f.run.fail(why)
	}
}

// knows tells whether the host knows that the run ends.
func (p *hostProcess) knows() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told
}

// command tells the host something; when that fails the host is gone, which watch notices.
func (p *hostProcess) command(c command) {
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	if p.encoder != nil {
		_ = p.encoder.Encode(c)
	}
}

func (f *fleet) restart(node, host string, pause time.Duration) {
	f.order(host, command{Restart: &nodeOrder{Node: node, Pause: pause}})
}

func (f *fleet) counters() Counters { return Counters{f.sys, f.endpoint} }

func (f *fleet) giveUp(node, host string) { f.order(host, command{GiveUp: &nodeOrder{Node: node}}) }

// order tells a host something, in a goroutine of its own: whoever calls may
// be one that takes the reports of a host which is stuck.
func (f *fleet) order(host string, c command) {
	f.mu.Lock()
	p := f.hosts[host]
	f.mu.Unlock()
	if p != nil {
		f.group.Go(func() { p.command(c) })
	}
}

// kill ends a process whose notice is over.
func (p *hostProcess) kill() {
	select {
	case <-p.over:
		return
	default:
	}
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	p.proc.Terminate(0)
}

// watch takes the end of a host's process, when all that it said was heard.
func (f *fleet) watch(p *hostProcess) {
	<-p.proc.Done()
	defer close(p.over)
	exit := p.proc.Exit()
	f.depart(p)
	f.group.Go(func() { f.deregister(p) }) // which may take its time
	p.mu.Lock()
	told, orderly, killed, dropped := p.told, p.ended, p.killed, p.dropped
	p.mu.Unlock()
	err := &ProcessError{Host: p.name, Exit: exit}
	if p.settle(err) || dropped {
		return // it never was ready: whoever waits for that decides
	}
	f.run.ledger.processEnded(p.name, exit, told, orderly, killed)
	if !killed && !(told && orderly) {
		f.lost(p, f.died(p.name, processBlame(exit, told), err))
	}
}

// silent ends the run when a host is not heard any more that it cannot do
// without: the others need not wait until nothing can be left there.
func (f *fleet) silent(p *hostProcess) {
	if !f.run.needs(p.name) {
		return // what its policies say comes with the end of the process, whose place is free then
	}
	exit := bootstrap.Exit{Code: -1, Lost: true, Err: fmt.Errorf("%w: nothing was heard of it for longer than its lease", bootstrap.ErrNoStatus)}
	err := &ProcessError{Host: p.name, Exit: exit}
	if !p.settle(err) {
		f.failed(f.died(p.name, processBlame(exit, p.knows()), err))
	}
}

// processBlame judges the end of a process that nobody here has ended; told
// says whether it had heard of the run's end.
func processBlame(exit bootstrap.Exit, told bool) blame {
	switch {
	case told:
		return blameLate
	case exit.Lost || exit.Signal != "":
		return blameDeath
	}
	return blameExit
}

func (f *fleet) deregister(p *hostProcess) {
	ctx, cancel := context.WithTimeout(f.ctx, 5*time.Second)
	defer cancel()
	if err := f.registry.Deregister(ctx, f.run.id, p.name, p.incarnation); err != nil {
		f.settings.logger.Warn("left in the registry until its check fails", "host", p.name, "error", err)
	}
}
