package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// How a host whose process has ended is started again, and how the others
// hear of it. The launcher decides; the word that a process is gone comes from
// it, and where the next one is too, if the registry has not said so before.

// depart ends what the launcher has with a process that has ended.
func (f *fleet) depart(p *hostProcess) {
	p.mu.Lock()
	address := p.address
	p.mu.Unlock()
	f.where.left(p.name, p.incarnation, false)
	if address != "" {
		f.endpoint.Fence(p.name, address, p.incarnation)
		f.sys.PeerDown(address, fmt.Errorf("%w: its process has ended", actor.ErrPeerGone))
	}
}

// lost takes the end of a process that was to go on.
func (f *fleet) lost(p *hostProcess, why failure) {
	f.mu.Lock()
	started := f.started
	f.mu.Unlock()
	if !started {
		f.failed(why)
		return
	}
	was := f.run.hostFailed(p.name, why)
	switch was.action {
	case actRestart:
		f.tell(goneOrder{p.name, p.incarnation, false})
		f.run.endIfIdle() // nodes that do not come back with it may have been the last with a Run
		f.mu.Lock()
		if f.living.Err() == nil { // else the end may not wait for it
			f.revivals.Go(func() { f.revive(p.name, was) })
		}
		f.mu.Unlock()
	case actGoOn:
		f.goOnWithout(p.name, p.incarnation)
	}
}

// goOnWithout gives a host up.
func (f *fleet) goOnWithout(host string, incarnation uint64) {
	f.where.left(host, incarnation, true)
	f.tell(goneOrder{host, incarnation, true})
	f.run.endIfIdle()
}

// tell tells all other hosts that a process has ended, also those that come up later.
func (f *fleet) tell(o goneOrder) {
	f.mu.Lock()
	f.departed = append(f.departed, o)
	f.mu.Unlock()
	for _, other := range f.all() {
		if other.name != o.Host {
			f.order(other.name, command{Gone: &o})
		}
	}
}

// recall tells a host that has just come up which processes have ended before.
func (f *fleet) recall(p *hostProcess) {
	f.mu.Lock()
	departed := f.departed[:len(f.departed):len(f.departed)]
	f.mu.Unlock()
	for _, o := range departed {
		if o.Host != p.name {
			p.command(command{Gone: &o})
		}
	}
}

// spread tells all other hosts where a host's next process is, and what their
// commands, where they start again, are told from now on: rank 0 may have
// another port.
func (f *fleet) spread(back string, groups map[string]commandGroup, places []hostPlace) {
	places = slices.DeleteFunc(places, func(p hostPlace) bool { return p.Host != back })
	for _, other := range f.all() {
		if other.name != back {
			f.order(other.name, command{Groups: groups, Places: places})
		}
	}
}

// reviveBackoff is how soon a host is tried again that could not be started.
var reviveBackoff = Restarts{Backoff: 200 * time.Millisecond, MaxBackoff: 3 * time.Second}

// revive starts a host again, and tries for as long as the policies allow if
// it cannot be reached, or fails before its nodes start.
func (f *fleet) revive(host string, was hostRemedy) {
	ctx := f.living
	began := time.Now()
	pause := was.pause
	for try := 1; ; try++ {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		err := f.startAgain(ctx, host)
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Since(began) >= was.within {
			f.unreturned(host, was, err)
			return
		}
		pause = reviveBackoff.pause(try, rand.Float64())
		f.run.logger.Warn(fmt.Sprintf("host %s could not be started again; trying once more in %v", host, round(pause)), "error", brief(err))
	}
}

// unreturned takes the end of a host that could not be started again.
func (f *fleet) unreturned(host string, was hostRemedy, err error) {
	err = fmt.Errorf("host %s could not be started again within %v: %w", host, was.within, err)
	if f.run.hostUnreturned(was.restart, failure{blameDeath, host, "", err}) == actGoOn {
		f.mu.Lock()
		incarnation := f.births[host]
		f.mu.Unlock()
		f.goOnWithout(host, incarnation)
	}
}

// startAgain brings a host up once more, and lets its nodes start.
func (f *fleet) startAgain(ctx context.Context, name string) error {
	var h Host
	for _, one := range f.used {
		if one.Name == name {
			h = one
		}
	}
	p, err := f.startHost(ctx, f.run.program, f.config, h)
	if err != nil {
		return err
	}
	late := time.NewTimer(readyPatience)
	defer late.Stop()
	select {
	case err = <-p.ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-late.C:
		err = &bootstrap.HostError{Host: name, Op: "register", Err: fmt.Errorf("not ready within %v of its start", readyPatience)}
	}
	if err == nil {
		f.progress(name, StageRegistered)
		f.run.ledger.nodesStarted(name)
		groups, places := f.commandGroups(), f.where.places()
		p.command(command{Start: true, Groups: groups, Places: places})
		f.spread(name, groups, places)
		f.progress(name, StageRunning)
		f.run.logger.Info("host " + name + " is back")
		return nil
	}
	p.mu.Lock()
	p.dropped = true
	p.mu.Unlock()
	p.proc.Terminate(0)
	<-p.over
	var died *ProcessError
	if errors.As(err, &died) {
		return fmt.Errorf("its process ended before it was ready: %w", err)
	}
	return err
}
