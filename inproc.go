package tlaunch

import (
	"context"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// local is a run in this process: one actor system, and a crew for each host
// name, of a program built for it alone, so that hosts share no values.
type local struct {
	run   *Run
	sys   *actor.System
	crews []*crew
}

func launchInProcess(ctx context.Context, d *program, config []byte, s *settings) (*Run, error) {
	hosts, _, err := s.hostList(d)
	if err != nil {
		return nil, err
	}
	table := actor.NewTable()
	g, err := d.newGraph(config, hosts, table)
	if err != nil {
		return nil, err
	}
	r := newRun(newRunID(d.name), d, g, hosts, table, s.notice)
	e := &local{run: r}
	r.engine = e
	graphs := map[string]*graph{}
	for _, h := range g.usedHosts(hosts) {
		if graphs[h.Name], err = d.newGraph(config, hosts, table); err != nil {
			return nil, err
		}
		if err := differs(g.summary, graphs[h.Name].summary, "one build", "the next"); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st := &stage{stop: func(string) { r.beginEnd(nil, true) }, names: g.names()}
	e.sys = actor.NewSystem(actor.Config{
		Host: "this process", Table: table, Context: withStage(context.Background(), st), Encode: s.encode, Logger: s.logger,
	})
	for _, h := range g.usedHosts(hosts) {
		c, err := newCrew(h.Name, graphs[h.Name].on(h.Name), e.sys, r.nodeEnded)
		if err != nil {
			return nil, err
		}
		e.crews = append(e.crews, c)
	}
	return r, nil
}

func (e *local) system() *actor.System { return e.sys }

func (e *local) start() {
	for _, c := range e.crews {
		c.start()
	}
}

func (e *local) end(ctx context.Context, drain bool) []error {
	if drain {
		for _, c := range e.crews {
			c.drain(ctx)
		}
	}
	var errs []error
	for _, c := range e.crews { // all contexts end before any node is waited for
		for _, m := range c.members {
			if m.actor != nil {
				m.actor.Interrupt(actor.ErrStopped)
			}
		}
	}
	for _, c := range e.crews {
		errs = append(errs, c.stop(ctx, actor.ErrStopped)...)
	}
	if err := e.sys.Close(ctx); err != nil && len(errs) == 0 {
		errs = append(errs, err)
	}
	return errs
}

func (e *local) invite(string, time.Duration) (Invitation, error) {
	return "", usagef("a run in one process has no address: launch it with Processes or SSH to invite others")
}
