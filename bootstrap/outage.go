package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// span is another connection to an agent, in place of one that was lost. Its stream ends are the agent's, from the first byte on.
type span struct {
	io.Reader
	io.Writer
	io.Closer
	cut   func()              // closes the connection
	adopt func(number uint64) // makes the connection the link's, unless that has one with a larger number: then it closes it
	gone  func() bool         // says, where it does not carry the stream, whether that is because the agent does not exist any more
}

// errAgentGone means that the agent has ended without a word.
var errAgentGone = errors.New("bootstrap: the host's process has ended without a word")

// pause is for how long the n-th try, from 0, is the youngest one: then another begins beside it, since a packet that is lost while a connection is
// opened is sent again only after a second. It is short as long as a lease of the usual length lasts, and grows then.
// r, from 0 to 1, keeps many hosts from trying together.
func pause(n int, lease time.Duration, r float64) time.Duration {
	const usual, most = 500 * time.Millisecond, 5 * time.Second
	p := min(usual, lease/10)
	for range n - 6 {
		p = min(p*4/3, most)
	}
	return time.Duration(float64(p) * (0.75 + r/2))
}

const (
	// tryPatience bounds one try.
	tryPatience = 15 * time.Second
	// maxTries is how many are under way at most: a host that takes connections and is slow with all else is not to be buried in them, and an sshd
	// with its defaults drops some of more than ten.
	maxTries = 6
)

// try is one that is under way, or was.
type try struct {
	cancel context.CancelFunc
	over   atomic.Bool
}

// makeRoom gives one try up where there are as many as there may be, and returns those that go on, the oldest first. The oldest keeps its chance, as the
// host may just be slow, and the youngest, as the way to it may be open only now.
func makeRoom(tries []*try) []*try {
	tries = slices.DeleteFunc(tries, func(t *try) bool { return t.over.Load() })
	if len(tries) < maxTries {
		return tries
	}
	tries[1].cancel()
	return slices.Delete(tries, 1, 2)
}

// outage is the time in which an agent is not heard. Meanwhile tries to reach it again begin one after the other.
type outage struct {
	began  time.Time
	cancel context.CancelFunc
	over   chan error // gets nil when the stream goes on over another connection, or errAgentGone
	tries  sync.WaitGroup
	turn   chan struct{} // capacity 1: holds a token while a try takes the stream up
}

// errEnded stands for the end of a link that nobody has explained.
var errEnded = errors.New("the connection has ended")

func (p *Process) beginOutage(cause error) *outage {
	if errors.Is(cause, io.EOF) {
		cause = errEnded
	}
	p.cfg.Logger.Warn("the link to a host is lost; reconnecting", "host", p.host.Name, "cause", cause)
	ctx, cancel := context.WithCancel(context.Background())
	o := &outage{began: p.pulse.At(), cancel: cancel, over: make(chan error, 1), turn: make(chan struct{}, 1)}
	o.tries.Go(func() { p.reconnect(ctx, o) })
	return o
}

// end returns when no try is under way any more.
func (o *outage) end() {
	o.cancel()
	o.tries.Wait()
}

// reconnect begins tries until one is successful or tells that there is no use in them, or ctx ends.
func (p *Process) reconnect(ctx context.Context, o *outage) {
	var tries []*try
	for n := 0; ; n++ {
		tries = makeRoom(tries)
		trying, cancel := context.WithTimeout(ctx, tryPatience)
		one := &try{cancel: cancel}
		tries = append(tries, one)
		o.tries.Go(func() {
			defer one.over.Store(true)
			defer cancel()
			err := p.reattach(ctx, trying, o)
			if err == nil || errors.Is(err, errAgentGone) {
				select {
				case o.over <- err:
				default: // another one was first
				}
				o.cancel() // which one that was successful has done
				return
			}
			if ctx.Err() != nil {
				return // it was given up
			}
			p.cfg.Logger.Debug("a try to reach a host again has failed", "host", p.host.Name, "error", err)
		})
		next := time.NewTimer(pause(n, p.cfg.Lease, rand.Float64()))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
}

// reattach opens another connection and takes the stream up on it. One try does so at a time, and none after one that was successful, which ends the
// outage: if the agent has taken two of them, neither may be cut because the other was successful. It is given up with trying until its turn comes,
// and then with ctx.
func (p *Process) reattach(ctx, trying context.Context, o *outage) error {
	p.mu.Lock()
	where := p.report.Bridge
	p.mu.Unlock()
	s, err := p.link.again(trying, where)
	if err != nil {
		return err
	}
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-trying.Done():
		s.cut()
		return context.Cause(trying)
	}
	if trying.Err() != nil { // both were so
		s.cut()
		return context.Cause(trying)
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Lease/5)
	defer cancel()
	stop := context.AfterFunc(ctx, s.cut)
	number, err := p.stream.Resume(s)
	switch stopped := stop(); {
	case err == nil:
		p.pulse.Beat()  // it has answered; its next pong takes as long as the way is, and is not missed meanwhile
		s.adopt(number) // also when it was cut just now: the stream notices
		o.cancel()      // before it is the next one's turn
		return nil
	case stopped && s.gone():
		s.adopt(math.MaxUint64) // what is left there can be tidied up over it
		return fmt.Errorf("%w: %w", errAgentGone, err)
	}
	s.cut()
	return err
}

// bridged says whether the agent can be reached again.
func (p *Process) bridged() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.again != nil && p.report != nil && p.report.Bridge != talk.BridgeReport{}
}

// lastWords is how long the end of a link is left to be explained by the news that the agent has ended.
const lastWords = 200 * time.Millisecond

// watch follows the link: it bridges its outages, and cuts it when the host is silent for so long that its processes must be gone.
func (p *Process) watch() {
	var o *outage // nil: there is none
	endOutage := func() {
		if o != nil {
			o.end()
			o = nil
		}
	}
	defer endOutage()
	begin := func(cause error) {
		if o == nil && p.bridged() {
			o = p.beginOutage(cause)
		}
	}
	back := func() {
		p.cfg.Logger.Info("the link to a host is back", "host", p.host.Name, "after", time.Since(o.began).Round(time.Millisecond))
		endOutage()
	}
	told := false // that the host is silent
	every := time.NewTicker(p.cfg.Lease / 10)
	defer every.Stop()
	for {
		var over <-chan error
		var gone <-chan struct{}
		if o != nil {
			over, gone = o.over, p.link.gone
		}
		select {
		case <-p.stop:
			return
		case cause := <-p.lost:
			if o != nil {
				continue // another try may have been taken over there
			}
			if !p.bridged() || p.agentGone() {
				p.giveUp(cause)
				return
			}
			begin(cause)
		case <-gone:
			p.giveUp(errAgentGone)
			return
		case err := <-over:
			if err != nil {
				p.giveUp(err)
				return
			}
			back()
			if !p.stream.Carried() {
				begin(errors.New("it was lost again"))
			}
		case <-every.C:
			silence := time.Since(p.pulse.At())
			if silence > p.cfg.Lease && !told {
				told = true
				close(p.silent)
			}
			switch {
			case silence > p.cfg.Lease+LeaseNotice:
				p.cut(fmt.Errorf("nothing was heard for %v", silence.Round(time.Millisecond)))
				return
			case silence > p.suspicious():
				begin(fmt.Errorf("nothing was heard for %v", silence.Round(time.Millisecond)))
			case o != nil && p.stream.Carried():
				select {
				case o.turn <- struct{}{}: // and it is nobody's turn after this
					back() // the old connection has come to life again
				default: // a try whose turn it is says itself that it is over
				}
			}
		}
	}
}

// suspicious is for how long an agent that answers all pings is never silent.
func (p *Process) suspicious() time.Duration { return p.cfg.Lease * 2 / 5 }

// agentGone waits a moment for the news that the agent has ended, which may come just behind the end of its output.
func (p *Process) agentGone() bool {
	moment := time.NewTimer(lastWords)
	defer moment.Stop()
	select {
	case <-p.link.gone:
		return true
	case <-p.stop:
	case <-moment.C:
	}
	return false
}
