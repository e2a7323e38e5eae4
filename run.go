package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Run is one execution of a program, as the process that launched it sees
// it. Its methods may be called from any goroutine.
type Run struct {
	id      string
	program *program
	graph   *graph
	hosts   []Host
	table   *actor.Table
	notice  time.Duration
	engine  engine
	started time.Time
	ledger  *ledger
	tap     *tap
	logger  *slog.Logger

	mu        sync.Mutex
	active    map[string]bool // nodes whose Run has not returned
	troubles  *troubles
	hadActive bool // there were such nodes at all
	stopping  bool
	well      bool          // the end began without a failure
	done      chan struct{} // closed when everything has ended
	kill      context.CancelFunc
}

// engine is what a run runs on.
type engine interface {
	// start lets the nodes start; their outcomes come to the run from now on.
	// After an error nothing is left.
	start() error
	// end ends everything. When drain is set the nodes first handle what they
	// have. When ctx ends, what is left is killed; end returns after that,
	// with the failures met on the way.
	end(ctx context.Context, drain bool) []failure
	// restart starts a node again that has failed, after a pause, and giveUp
	// stops one. Neither waits; in a run that ends they do nothing.
	restart(node, host string, pause time.Duration)
	giveUp(node, host string)
	// counters are those of this process.
	counters() Counters
	// invite makes an invitation; see Run.Invite.
	invite(name string, ttl time.Duration) (Invitation, error)
}

func newRun(d *program, g *graph, hosts []Host, table *actor.Table, s *settings) *Run {
	id := newRunID(d.name)
	r := &Run{
		id: id, program: d, graph: g, hosts: hosts, table: table, notice: s.notice, started: time.Now(),
		ledger: newLedger(id, d.name, g, s.tap.lines), tap: s.tap, logger: s.logger,
		active: map[string]bool{}, troubles: newTroubles(g.nodes), done: make(chan struct{}),
	}
	for _, n := range g.nodes {
		if n.active() {
			r.active[n.key], r.hadActive = true, true
		}
	}
	return r
}

// ID names the run: the program's name and random digits.
func (r *Run) ID() string { return r.id }

// Hosts are the hosts that the program was given.
func (r *Run) Hosts() []Host { return append([]Host(nil), r.hosts...) }

// Done is closed when the run has ended and nothing is left of it.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait waits for the end of the run and returns the failure that the others
// follow from, see [Report.FirstCause]: a [*NodeError] or a [*ProcessError], or
// an error that wraps [ErrKilled] where all was well but nodes did not end in
// time. It returns nil when all Runs have returned, a node called [Stop], or
// Stop was called. When ctx ends first Wait returns its error and the run goes on.
func (r *Run) Wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.ledger.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the run and waits until nothing is left of it. Nodes get the
// notice they were launched with, or until ctx ends if that is sooner; what is
// left then is killed. It returns what Wait returns.
func (r *Run) Stop(ctx context.Context) error {
	r.beginEnd(false)
	select {
	case <-r.done:
	case <-ctx.Done():
		r.Kill()
	}
	return r.Wait(context.Background())
}

// Kill ends the run without notice. It does not wait. Wait returns an error
// that wraps [ErrKilled], unless the run was ending already and ends in time.
func (r *Run) Kill() {
	r.fail(failure{blame: blameAsked, err: fmt.Errorf("%w: Kill was called", ErrKilled)})
	r.mu.Lock()
	kill := r.kill
	r.mu.Unlock()
	kill()
}

// nodeEnded takes the outcome of a node. It is late when the node's host had
// heard that the run ends: what fails then, panics aside, fails because of that.
func (r *Run) nodeEnded(o outcome, late bool) {
	if late || o.err == nil {
		r.ledger.nodeEnded(o, late)
	}
	r.mu.Lock()
	if o.phase == "run" && (late || o.err == nil) {
		delete(r.active, o.node)
	}
	last := o.phase == "run" && len(r.active) == 0
	r.mu.Unlock()
	switch {
	case late && isPanic(o.err):
		r.fail(failure{blameLate, o.host, o.node, newNodeError(o)})
	case late:
	case o.err != nil:
		r.nodeFailed(o)
	case last:
		r.beginEnd(true)
	}
}

// fail takes a failure, with which the end begins. In an end that began well,
// nodes fail because of it: only panics and processes that die are news.
func (r *Run) fail(f failure) {
	r.mu.Lock()
	if r.stopping && (f.blame == blameAsked || r.well && (f.blame == blameBereft || f.blame == blameOwn && !isPanic(f.err))) {
		r.mu.Unlock()
		return
	}
	r.ledger.note(f) // before the end begins, and under the lock, so that Wait finds it
	r.mu.Unlock()
	r.end(false, false)
}

// beginEnd starts the end of the run, where nothing has failed.
func (r *Run) beginEnd(drain bool) { r.end(drain, true) }

// end starts the end of the run, once.
func (r *Run) end(drain, well bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return
	}
	r.stopping, r.well = true, well
	ctx, cancel := withNotice(context.Background(), r.notice)
	r.kill = cancel
	go func() { // ends with the engine, whose end is bounded by the notice; done tells of it
		defer close(r.done)
		defer cancel()
		for _, f := range r.engine.end(ctx, drain) {
			if r.notice != 0 || !errors.Is(f.err, ErrKilled) { // no notice means just that
				r.ledger.note(f)
			}
		}
		r.tap.close()
		r.ledger.close()
	}()
}

// ending tells whether the end has begun.
func (r *Run) ending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

func (r *Run) names() *actor.Table { return r.table }

func (r *Run) kindOf(key string) (kind, error) {
	n := r.graph.byKey[key]
	if n == nil {
		return kind{}, fmt.Errorf("%w: program %s has no node %s", actor.ErrNoNode, r.program.name, key)
	}
	if n.props != nil {
		return kind{typ: reflect.TypeFor[actor.PropsNode]()}, nil
	}
	switch n.value.(type) {
	case interface{ isFunc() }:
		return kind{typ: reflect.TypeFor[Func]()}, nil
	case *commandNode:
		return kind{typ: reflect.TypeFor[CommandNode]()}, nil
	}
	return kind{typ: reflect.TypeOf(n.value)}, nil
}

// A Source is where nodes can be found: a [*Run] or a [*Connection].
type Source interface {
	names() *actor.Table
	kindOf(key string) (kind, error)
}

// kind is what is known of a node's type: the type itself in the process that
// launched, its name in one that connected.
type kind struct {
	typ  reflect.Type
	name string
}

func (k kind) String() string {
	if k.typ != nil {
		return k.typ.String()
	}
	return k.name
}

// Find gives the ref of the node with a label and number. T is the type that
// the program gave to Add, or an interface that it implements. The error wraps
// [actor.ErrNoNode] or [actor.ErrNoMethod].
func Find[T any](from Source, label string, index int) (actor.Ref[T], error) {
	key := fmt.Sprintf("%s/%d", label, index)
	k, err := from.kindOf(key)
	if err != nil {
		return actor.Ref[T]{}, err
	}
	want := reflect.TypeFor[T]()
	fits := want.Kind() == reflect.Interface
	if k.typ != nil {
		fits = k.typ == want || want.Kind() == reflect.Interface && k.typ.Implements(want)
	} else if !fits {
		fits = k.name == want.String()
	}
	if !fits {
		return actor.Ref[T]{}, fmt.Errorf("%w: node %s is a %v, not a %v", actor.ErrNoMethod, key, k, want)
	}
	return actor.NewRef[T](from.names(), key), nil
}
