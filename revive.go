package tlaunch

import (
	"context"
	"fmt"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// How a crew's nodes are started again, or given up, while the others go on.

// freshValue builds the program again and takes a node's value from it. That
// it is the program which runs is checked as it was at the start.
func (d *program) freshValue(config []byte, hosts []Host, table *actor.Table, want []summary, key string) (any, error) {
	g, err := d.newGraph(config, hosts, table)
	if err != nil {
		return nil, err
	}
	if err := differs(want, g.summary, "the first build", "the next"); err != nil {
		return nil, err
	}
	return g.byKey[key].value, nil
}

// liveLocked runs a part of a member's life, which stop waits for.
func (c *crew) liveLocked(m *member, f func()) {
	lived := m.lived
	go func() {
		defer close(lived)
		f()
	}()
}

// now is the actor that a member has become last, and when its life is over.
func (c *crew) now(m *member) (*actor.Node, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.actor, m.lived
}

// next begins another part of a node's life after the one that has just
// ended. It does nothing in a crew that was told to stop, and for nodes that
// it does not have or that are raw actors, whose supervision is their own.
func (c *crew) next(key string, f func(m *member, before *actor.Node)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.key != key || m.actor == nil || !c.started || c.stopped {
			continue
		}
		before, lived := m.actor, m.lived
		m.lived = make(chan struct{})
		c.liveLocked(m, func() {
			<-lived // its outcome has been reported, so this is at once
			f(m, before)
		})
	}
}

// restart starts a node again that has failed: messages gather for the new
// one at once, and it starts after the pause, when the old one has stopped.
func (c *crew) restart(key string, pause time.Duration) {
	c.next(key, func(m *member, before *actor.Node) {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		fresh, err := c.replace(m, before)
		if err != nil {
			c.ended(outcome{node: m.key, host: c.host, phase: "start", err: fmt.Errorf("starting it again: %w", err)})
			return
		}
		if !c.dismiss(m, before) {
			return
		}
		select {
		case <-timer.C:
			c.live(m, fresh)
		case <-c.halt:
		}
	})
}

// replace puts a node of a fresh value in the place of a failed one.
func (c *crew) replace(m *member, before *actor.Node) (*actor.Node, error) {
	value, err := c.again(m.key)
	if err != nil {
		return nil, err
	}
	fresh, err := before.Replace(value)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.actor = fresh
	if c.stopped {
		fresh.Interrupt(actor.ErrStopped)
	}
	return fresh, nil
}

// giveUp stops a node that has failed: whoever calls it from now on is told so.
func (c *crew) giveUp(key string) {
	c.next(key, func(m *member, before *actor.Node) { c.dismiss(m, before) })
}

// dismiss stops what is left of a node that has failed, and reports whether
// it has stopped. A method that goes on would share the process with what
// takes its place, so that is the end of the run.
func (c *crew) dismiss(m *member, failed *actor.Node) bool {
	ctx, cancel := context.WithTimeout(withStage(context.Background(), c.stage), DefaultNotice)
	defer cancel()
	err := failed.Stop(ctx)
	switch {
	case err == nil:
		return true
	case ctx.Err() != nil:
		c.ended(outcome{node: m.key, host: c.host, phase: "stop", err: fmt.Errorf("%w: it failed, and then did not stop: %w", ErrKilled, err)})
		return false
	}
	c.logger.Warn("a node that has failed did so again when it was stopped", "node", m.key, "error", err)
	return true
}
