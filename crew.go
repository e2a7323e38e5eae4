package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// A crew is the nodes of one host, in the process where they live.
type crew struct {
	host    string // its process: the host's, or a node's own
	sys     *actor.System
	stage   *stage
	members []*member
	ended   func(outcome)                           // told how a node's Start or Run ended; called concurrently
	again   func(key string) (value any, err error) // of a node, in a program that is built anew
	logger  *slog.Logger
	done    []string        // nodes that have run in an earlier process, and are not run again
	lost    []string        // nodes that were given up before
	halt    chan struct{}   // closed when the crew is told to stop
	runs    context.Context // of all Runs
	endRuns context.CancelCauseFunc

	mu      sync.Mutex // guards these, and the members' actors, open ones and lives
	started bool
	stopped bool
}

// member is a node and the actor it has become; props nodes have none.
type member struct {
	*node
	actor *actor.Node
	open  *actor.Node   // the last that has started: it handles messages
	lived chan struct{} // closed when Start and Run have returned
}

// outcome is the end of a phase in a node's life. A nil Err with phase "run"
// is the ordinary end of a Run.
type outcome struct {
	node, host, phase string
	err               error
}

// newCrew makes actors of a host's nodes: messages gather from now on.
func newCrew(host string, nodes []*node, sys *actor.System, st *stage, ended func(outcome)) (*crew, error) {
	c := &crew{host: host, sys: sys, stage: st, ended: ended, logger: slog.New(slog.DiscardHandler), halt: make(chan struct{})}
	c.runs, c.endRuns = context.WithCancelCause(context.Background())
	for _, n := range nodes {
		m := &member{node: n, lived: make(chan struct{})}
		var err error
		if n.props != nil {
			_, err = sys.SpawnProps(n.key, n.props, n.capacity)
		} else {
			m.actor, err = sys.Spawn(actor.Spec{Key: n.key, Host: hostOf(host), Value: n.value, Concurrent: n.concurrent, Capacity: n.capacity, Bytes: n.bytes, Batches: n.actorBatches()})
		}
		if err != nil {
			return nil, err
		}
		c.members = append(c.members, m)
	}
	return c, nil
}

// start lets every node start, and those with a Run run, each at its own pace.
// It does nothing once the crew was told to stop.
func (c *crew) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started || c.stopped {
		return
	}
	c.started = true
	for _, m := range c.members {
		c.liveLocked(m, func() { c.live(m, m.actor) })
	}
}

func (c *crew) live(m *member, a *actor.Node) {
	report := func(phase string, err error) {
		c.ended(outcome{node: m.key, host: c.host, phase: phase, err: err})
	}
	if a == nil {
		c.sys.StartProps(m.key)
		return
	}
	if slices.Contains(c.lost, m.key) {
		c.dismiss(m, a)
		return
	}
	if err := a.Start(context.Background()); err != nil { // nodes have contexts of their own, which stop ends
		report("start", err)
		return
	}
	c.mu.Lock()
	m.open = a
	c.mu.Unlock()
	if m.active() && !slices.Contains(c.done, m.key) {
		report("run", a.Run(c.runs))
	}
}

// halted notes that the crew ends: nothing is started any more.
func (c *crew) halted() (started bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		close(c.halt)
	}
	c.stopped = true
	return c.started
}

// finish ends the contexts of all Runs. In an orderly end that comes before
// the nodes are drained: a method may wait for what nobody will bring any more,
// and returns when its caller gives up.
func (c *crew) finish() {
	c.halted()
	c.endRuns(actor.ErrStopped)
}

// settle waits under ctx until all Runs have returned. A node that still
// starts is not waited for: it may do so until its context ends, which is later.
func (c *crew) settle(ctx context.Context) {
	for _, m := range c.members {
		if c.opened(m) {
			c.over(ctx, m)
		}
	}
}

// opened reports whether the actor that a member has become last has started.
func (c *crew) opened(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.actor != nil && m.open == m.actor
}

// drain waits until the nodes have handled what is in their mailboxes, or ctx ends.
func (c *crew) drain(ctx context.Context) {
	for _, m := range c.members {
		if a, _ := c.now(m); a != nil {
			c.drainMember(ctx, m, a)
		}
	}
}

// drainMember drains a node, unless its life is over without its having
// started: what is in its mailbox then is handled by nobody.
func (c *crew) drainMember(ctx context.Context, m *member, a *actor.Node) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	if !c.opened(m) {
		group.Go(func() {
			if c.over(ctx, m) && !c.opened(m) {
				cancel()
			}
		})
	}
	_ = a.Drain(ctx) // what is left is refused by stop, and its senders are told
	cancel()
	group.Wait()
}

// stop ends the nodes: their contexts end, Runs are waited for, then all are
// stopped, at once. A Run that does not return costs the others half of what
// ctx has left, but not their Stop. The errors are a [*NodeError] for each Stop that
// failed, and one that wraps ErrKilled for each node that had not ended when
// ctx did.
func (c *crew) stop(ctx context.Context, cause error) []error {
	started := c.halted()
	for _, m := range c.members {
		if a, _ := c.now(m); a != nil {
			a.Interrupt(cause)
		}
	}
	if started {
		half, cancel := halfOf(ctx)
		for _, m := range c.members {
			c.over(half, m)
		}
		cancel()
	}
	ctx = withStage(ctx, c.stage)
	errs := make([]error, len(c.members))
	var group sync.WaitGroup
	for i, m := range c.members {
		group.Go(func() { errs[i] = c.stopMember(ctx, m, started) })
	}
	group.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func (c *crew) stopMember(ctx context.Context, m *member, started bool) error {
	if started && !c.over(ctx, m) {
		if _, ok := m.value.(*commandNode); ok {
			c.stage.commands.kill(m.key)
			bounded, cancel := context.WithTimeout(context.Background(), killPatience)
			c.over(bounded, m)
			cancel()
		}
		return &NodeError{Node: m.key, Host: hostOf(c.host), Phase: "run", Err: fmt.Errorf("%w: it has not returned", ErrKilled)}
	}
	var err error
	if a, _ := c.now(m); a == nil {
		err = c.sys.StopProps(ctx, m.key)
	} else {
		err = a.Stop(ctx)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return &NodeError{Node: m.key, Host: hostOf(c.host), Phase: "stop", Err: fmt.Errorf("%w: %w", ErrKilled, err)}
	}
	return newNodeError(outcome{m.key, c.host, "stop", err})
}

// killPatience is how long a command that was killed is waited for.
const killPatience = 2 * time.Second

// over waits under ctx until Start and Run have returned, and reports whether
// they have, even where ctx has ended as well.
func (c *crew) over(ctx context.Context, m *member) bool {
	_, lived := c.now(m)
	select {
	case <-lived:
		return true
	default:
	}
	select {
	case <-lived:
		return true
	case <-ctx.Done():
		return false
	}
}

// halfOf is a context that ends when half of the time that ctx has is over.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// withNotice is a context that ends when a notice is over; a negative one never is.
func withNotice(ctx context.Context, notice time.Duration) (context.Context, context.CancelFunc) {
	if notice < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, notice)
}

// stage is where the nodes of a context run: what package functions that take
// a node's context need to know of it.
type stage struct {
	stop     func(node string)
	names    map[string]string // display names by key
	commands *commandSite
	endpoint *remote.Endpoint // of the process; nil in a run in one process
}

type stageKey struct{}

func withStage(ctx context.Context, s *stage) context.Context {
	return context.WithValue(ctx, stageKey{}, s)
}

func stageOf(ctx context.Context) *stage {
	s, _ := ctx.Value(stageKey{}).(*stage)
	return s
}

func (g *graph) names() map[string]string {
	m := map[string]string{}
	for _, n := range g.nodes {
		m[n.key] = n.name
	}
	return m
}

// Stop ends the run to which the node of ctx belongs, in good order: as if
// every Run had returned. It does not wait for the end, which includes the
// node's own. Outside of a node it returns an error.
func Stop(ctx context.Context) error {
	s := stageOf(ctx)
	if s == nil {
		return fmt.Errorf("tlaunch: Stop needs the context of a node; elsewhere use Run.Stop")
	}
	s.stop(actor.Self(ctx))
	return nil
}
