package actor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// lived records its life.
type lived struct {
	mu       sync.Mutex
	events   []string
	startErr error
	running  chan struct{}
}

func (l *lived) note(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, s)
}

func (l *lived) Start(ctx context.Context) error {
	l.note("start " + actor.Self(ctx))
	return l.startErr
}
func (l *lived) Stop(ctx context.Context) error { l.note("stop " + actor.Self(ctx)); return ctx.Err() }
func (l *lived) Run(ctx context.Context) error {
	<-ctx.Done()
	l.note("ran")
	return context.Cause(ctx)
}
func (l *lived) Touch(_ context.Context, s string) error {
	l.note(s)
	return nil
}

func (l *lived) Linger(ctx context.Context) error {
	close(l.running)
	<-ctx.Done()
	l.note("lingered")
	return context.Cause(ctx)
}

func TestMessagesGatherBeforeStart(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		l := &lived{}
		n, err := c.systems["a"].Spawn(actor.Spec{Key: "a/0", Value: l})
		require.NoError(t, err)
		ref := actor.NewRef[*lived](c.tables[from], "a/0")
		require.NoError(t, actor.Tell(t.Context(), ref, (*lived).Touch, "one"))
		done := make(chan error)
		go func() { done <- actor.Do(t.Context(), ref, (*lived).Touch, "two") }()
		require.NoError(t, n.Start(t.Context()))
		require.NoError(t, <-done)
		require.Equal(t, []string{"start a/0", "one", "two"}, l.events)
		require.ErrorIs(t, n.Start(t.Context()), actor.ErrStopped)
	})
}

func TestStop(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		l := &lived{running: make(chan struct{})}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l, Capacity: 1})
		require.True(t, n.Active())
		ref := actor.NewRef[*lived](c.tables[from], "a/0")
		out := make(chan error, 10)
		go func() { out <- actor.Do0(t.Context(), ref, (*lived).Linger) }()
		<-l.running
		for range 3 { // one in the mailbox, two senders at its door, where there is one
			go func() { out <- actor.Do(t.Context(), ref, (*lived).Touch, "never") }()
		}
		ran := make(chan error)
		go func() { ran <- n.Run(t.Context()) }()
		stops := make(chan error, 3)
		for range 3 {
			go func() { stops <- n.Stop(t.Context()) }()
		}
		for range 4 {
			require.ErrorIs(t, <-out, actor.ErrStopped)
		}
		for range 3 {
			require.NoError(t, <-stops)
		}
		require.ErrorIs(t, <-ran, actor.ErrStopped)
		l.mu.Lock()
		require.Equal(t, 1, strings.Count(fmt.Sprint(l.events), "stop a/0"), l.events)
		require.Equal(t, 1, strings.Count(fmt.Sprint(l.events), "lingered"), l.events)
		require.NotContains(t, l.events, "never")
		l.mu.Unlock()
		require.ErrorIs(t, actor.Do(t.Context(), ref, (*lived).Touch, "late"), actor.ErrStopped)
		never := actor.NewRef[*lived](c.tables["b"], "a/7")
		require.ErrorIs(t, actor.Do(t.Context(), never, (*lived).Touch, "x"), actor.ErrNoNode)
		again := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &lived{}})
		require.NoError(t, actor.Do(t.Context(), ref, (*lived).Touch, "anew"))
		require.NoError(t, again.Stop(t.Context()))
	})
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a")
		s := &stubborn{newGate()}
		n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: s})
		out := make(chan error, 1)
		go func() { out <- actor.Do0(t.Context(), actor.NewRef[*stubborn](c.tables["a"], "a/0"), (*stubborn).Hold) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, n.Stop(ctx), context.DeadlineExceeded)
		close(s.open)
		require.NoError(t, <-out)
	})
}

func TestStartFails(t *testing.T) {
	c := newCluster(t, "a")
	l := &lived{startErr: errors.New("no disk")}
	n, err := c.systems["a"].Spawn(actor.Spec{Key: "a/0", Value: l})
	require.NoError(t, err)
	f := actor.Tell(t.Context(), actor.NewRef[*lived](c.tables["a"], "a/0"), (*lived).Touch, "x")
	require.NoError(t, f)
	require.Equal(t, l.startErr, n.Start(t.Context()))
	require.NoError(t, n.Stop(t.Context()))
	require.Equal(t, []string{"start a/0"}, l.events) // what did not start is not stopped
}

type bomb struct{}

func (bomb) Start(context.Context) error { panic("at start") }
func (bomb) Run(context.Context) error   { panic("at run") }

type lateBomb struct{}

func (lateBomb) Stop(context.Context) error { panic("at stop") }
func (lateBomb) Die(context.Context) error  { runtime.Goexit(); return nil }
func (lateBomb) Live(context.Context) error { return nil }

func TestPanicsInANodesLife(t *testing.T) {
	c := newCluster(t, "a")
	n, err := c.systems["a"].Spawn(actor.Spec{Key: "a/0", Value: bomb{}})
	require.NoError(t, err)
	late := spawn(t, c.systems["a"], actor.Spec{Key: "a/1", Value: lateBomb{}})
	for text, err := range map[string]error{"at start": n.Start(t.Context()), "at run": n.Run(t.Context()), "at stop": late.Stop(t.Context())} {
		require.ErrorIs(t, err, actor.ErrPanic)
		var p *actor.PanicError
		require.ErrorAs(t, err, &p)
		require.Equal(t, text, p.Value)
		require.Contains(t, p.Stack, "node_test.go")
	}
}

// A method may end its goroutine, as a test's assertions do.
func TestGoexitInAMethod(t *testing.T) {
	c := newCluster(t, "a")
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &struct{ lateBomb }{}})
	ref := actor.NewRef[lateBomb](c.tables["a"], "a/0")
	for range 3 {
		require.ErrorIs(t, actor.Do0(t.Context(), ref, lateBomb.Die), actor.ErrPanic)
		require.NoError(t, actor.Do0(t.Context(), ref, lateBomb.Live))
	}
	require.ErrorIs(t, n.Stop(t.Context()), actor.ErrPanic)
}

func TestInterrupt(t *testing.T) {
	cause := errors.New("time to go")
	c := newCluster(t, "a")
	l := &lived{running: make(chan struct{})}
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: l})
	ref := actor.NewRef[*lived](c.tables["a"], "a/0")
	out := make(chan error)
	go func() { out <- actor.Do0(t.Context(), ref, (*lived).Linger) }()
	<-l.running
	n.Interrupt(cause)
	require.ErrorContains(t, <-out, cause.Error())
	require.Equal(t, cause, n.Run(t.Context()))
	require.NoError(t, actor.Do(t.Context(), ref, (*lived).Touch, "still there"))
}

func TestConcurrentRunsExactlySoMany(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		g := &counted{open: make(chan struct{}), entered: make(chan int, 64)}
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: g, Concurrent: 3})
		ref := actor.NewRef[*counted](c.tables[from], "a/0")
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() { require.NoError(t, actor.Do0(t.Context(), ref, (*counted).Hold)) })
		}
		for range 3 {
			<-g.entered
		}
		require.Empty(t, g.entered)
		close(g.open)
		group.Wait()
		for len(g.entered) > 0 {
			require.LessOrEqual(t, <-g.entered, 3)
		}
	})
}

type counted struct {
	now     atomic.Int32
	entered chan int
	open    chan struct{}
}

func (c *counted) Hold(context.Context) error {
	c.entered <- int(c.now.Add(1))
	<-c.open
	c.now.Add(-1)
	return nil
}

func TestSpawnRefuses(t *testing.T) {
	c := newCluster(t, "a")
	sys := c.systems["a"]
	spawn(t, sys, actor.Spec{Key: "a/0", Value: &sum{}})
	squares := actor.Batched((*evaluator).Squares, 2, 0)
	for name, spec := range map[string]actor.Spec{
		"no key": {Value: &sum{}}, "no value": {Key: "a/1"}, "taken": {Key: "a/0", Value: &sum{}},
		"batch of another type": {Key: "a/2", Value: &sum{}, Batches: []actor.Batch{squares}},
		"batch of nothing":      {Key: "a/3", Value: &sum{}, Batches: []actor.Batch{{}}},
	} {
		_, err := sys.Spawn(spec)
		require.Error(t, err, name)
	}
	require.NoError(t, sys.Close(t.Context()))
	_, err := sys.Spawn(actor.Spec{Key: "a/9", Value: &sum{}})
	require.ErrorIs(t, err, actor.ErrStopped)
}

func TestCloseWithCallsUnderWay(t *testing.T) {
	c := newCluster(t, "a", "b")
	started := make(chan struct{})
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &blocked{started}})
	out := make(chan error)
	go func() { out <- actor.Do0(t.Context(), actor.NewRef[*blocked](c.tables["b"], "a/0"), (*blocked).Wait) }()
	<-started
	require.NoError(t, c.systems["b"].Close(t.Context()))
	require.ErrorIs(t, <-out, actor.ErrStopped)
	require.ErrorIs(t, actor.Do0(t.Context(), actor.NewRef[*blocked](c.tables["b"], "a/0"), (*blocked).Wait), actor.ErrStopped)
	require.NoError(t, c.systems["a"].Close(t.Context()))
}

// slow is a value whose Start takes until it is let go.
type slow struct{ starting, goOn, stopped chan struct{} }

func (s *slow) Start(context.Context) error {
	close(s.starting)
	<-s.goOn
	return nil
}

func (s *slow) Stop(context.Context) error {
	close(s.stopped)
	return nil
}

// What a value has begun in its Start somebody has to end, also where its node was stopped meanwhile.
func TestStopWhileItStarts(t *testing.T) {
	sys := actor.NewSystem(actor.Config{Table: actor.NewTable()})
	defer func() { require.NoError(t, sys.Close(context.Background())) }()
	s := &slow{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	n, err := sys.Spawn(actor.Spec{Key: "slow/0", Value: s})
	require.NoError(t, err)
	started := make(chan error, 1)
	go func() { started <- n.Start(t.Context()) }()
	<-s.starting
	require.NoError(t, n.Stop(t.Context()))
	select {
	case <-s.stopped:
		require.Fail(t, "it has not started yet")
	default:
	}
	close(s.goOn)
	require.ErrorIs(t, <-started, actor.ErrStopped)
	<-s.stopped
}
