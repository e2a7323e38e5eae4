package tlaunch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// local is a run in this process: one actor system, and a crew for each host
// name, of a program built for it alone, so that hosts share no values.
type local struct {
	run      *Run
	sys      *actor.System
	crews    []*crew
	commands *commandSite
	tracing  tracing
}

func launchInProcess(ctx context.Context, d *program, config []byte, s *settings) (*Run, error) {
	r, _, err := planRun(d, config, s)
	if err != nil {
		return nil, err
	}
	g, hosts, table := r.graph, r.hosts, r.table
	e := &local{run: r}
	r.engine = e
	graphs := map[string]*graph{}
	for _, h := range g.usedHosts(hosts) {
		if graphs[h.Name], err = d.newGraph(config, hosts, table); err != nil {
			return nil, err
		}
		if err := differs(g.summary, graphs[h.Name].summary, "one build", "the next"); err != nil {
			return nil, &ProgramError{Program: d.name, Err: err}
		}
	}
	if ctx.Err() != nil {
		return nil, failedLaunch(d.name, context.Cause(ctx))
	}
	if e.commands, err = prepareHere(ctx, r, s); err != nil {
		return nil, failedLaunch(d.name, err)
	}
	if e.tracing, err = d.tracing(launcherName); err != nil {
		e.commands.close()
		return nil, failedLaunch(d.name, err)
	}
	st := &stage{stop: func(string) { r.beginEnd(true) }, names: g.names(), commands: e.commands}
	e.sys = actor.NewSystem(d.bounds.system(actor.Config{
		Host: "this process", Table: table, Context: withStage(context.Background(), st), Encode: s.encode, Logger: s.logger,
		TracerProvider: e.tracing.provider,
	}))
	again := func(key string) (any, error) { return d.freshValue(config, hosts, table, g.summary, key) }
	for _, h := range g.usedHosts(hosts) {
		c, err := newCrew(h.Name, graphs[h.Name].on(h.Name), e.sys, st, func(o outcome) { r.nodeEnded(o, r.ending()) })
		if err != nil {
			e.commands.close()
			err = errors.Join(failedLaunch(d.name, err), e.sys.Close(context.Background())) // no node has been opened: nothing to wait for
			e.tracing.close(ctx, s.logger)
			return nil, err
		}
		c.again, c.logger = again, s.logger
		e.crews = append(e.crews, c)
	}
	return r, nil
}

func (e *local) start() error {
	for _, c := range e.crews {
		e.run.ledger.nodesStarted(c.host)
		c.start()
	}
	return nil
}

// drainRounds is how often the nodes are drained: what one handles may tell
// another that was empty before, along a chain.
const drainRounds = 16

func (e *local) end(ctx context.Context, drain bool) []failure {
	if drain {
		for _, c := range e.crews {
			c.finish()
		}
		half, cancel := halfOf(ctx) // for all of them, so that Stops have theirs
		for _, c := range e.crews {
			c.settle(half)
		}
		cancel()
	}
	for round := 0; drain && round < drainRounds; round++ {
		for _, c := range e.crews {
			c.drain(ctx)
		}
	}
	// Hosts end side by side, as they would in processes of their own.
	errs := make([][]error, len(e.crews))
	var group sync.WaitGroup
	for i, c := range e.crews {
		group.Go(func() { errs[i] = c.stop(ctx, actor.ErrStopped) })
	}
	group.Wait()
	e.commands.close()
	var all []failure
	for _, err := range slices.Concat(errs...) {
		all = append(all, endFailure(err))
	}
	if err := e.sys.Close(ctx); err != nil && len(all) == 0 {
		all = append(all, failure{blame: blameOverdue, err: err})
	}
	e.tracing.close(ctx, e.run.logger)
	return all
}

func (e *local) restart(node, host string, pause time.Duration) {
	for _, c := range e.crews {
		if c.host == host {
			c.restart(node, pause)
		}
	}
}

func (e *local) giveUp(node, host string) {
	for _, c := range e.crews {
		if c.host == host {
			c.giveUp(node)
		}
	}
}

func (e *local) counters() Counters { return Counters{sys: e.sys} }

func (e *local) invite(string, time.Duration) (Invitation, error) {
	return "", usagef("a run in one process has no address: launch it with Processes or SSH to invite others")
}
