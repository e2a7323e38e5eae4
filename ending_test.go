package tlaunch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestRunEndsWhenAllRunsHaveReturned(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, starProgram, starConfig{Rounds: 3}, kind)
		require.NoError(t, run.Wait(within(t)))
		<-run.Done()
		require.Regexp(t, `^test-star-[0-9a-f]{16}$`, run.ID())
		require.Len(t, run.Hosts(), 3)
	})
}

func TestEndings(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		for name, c := range map[string]struct {
			what  trouble
			phase string // "" is a good end
			text  string
			stack bool
			alike bool // whatever the kind of launch: one is enough
		}{
			"Run fails":                  {trouble{Run: "fail", Bystander: "wait"}, "run", "no luck", false, true},
			"Run panics":                 {trouble{Run: "panic", Bystander: "cancelled"}, "run", "out of order", true, false},
			"Start fails":                {trouble{Start: "fail", Bystander: "wait"}, "start", "no luck", false, false},
			"Start panics":               {trouble{Start: "panic", Bystander: "wait"}, "start", "out of order", true, true},
			"Stop fails":                 {trouble{Stop: "fail"}, "stop", "no luck", false, false},
			"Stop panics":                {trouble{Stop: "panic"}, "stop", "out of order", true, true},
			"Run ends the run":           {trouble{Run: "stop", Bystander: "wait"}, "", "", false, true},
			"Run ends with its context":  {trouble{Run: "stop", Bystander: "cancelled"}, "", "", false, true},
			"late failures are no news":  {trouble{Run: "stop", Bystander: "late failure"}, "", "", false, true},
			"a late panic is":            {trouble{Run: "stop", Bystander: "late panic"}, "run", "too late", true, false},
			"the first failure wins":     {trouble{Run: "fail", Stop: "fail", Bystander: "late failure"}, "run", "no luck", false, false},
			"also over what panics late": {trouble{Run: "fail", Bystander: "late panic"}, "run", "no luck", false, true},
		} {
			t.Run(name, func(t *testing.T) {
				if c.alike && newSettings([]Option{kind}).kind == processes {
					return
				}
				t.Parallel()
				err := launched(t, troubleProgram, c.what, kind).Wait(within(t))
				if c.phase == "" {
					require.NoError(t, err)
					return
				}
				var failed *NodeError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, c.phase, failed.Phase)
				if c.what.Bystander != "late panic" || c.what.Run == "fail" {
					require.Equal(t, "bad/0", failed.Node)
					require.Equal(t, "host2", failed.Host)
				}
				require.ErrorContains(t, err, c.text)
				require.Equal(t, c.stack, failed.Stack != "")
				require.Equal(t, c.stack, errors.Is(err, actor.ErrPanic))
				if c.stack {
					require.Contains(t, failed.Stack, "tlaunch-go.do(")
				}
				require.Equal(t, StatusFailed, ExitStatus(err))
			})
		}
	})
}

func TestProcessThatEndsByItself(t *testing.T) {
	t.Parallel()
	run := launched(t, troubleProgram, trouble{Run: "exit", Bystander: "wait"}, procs)
	err := run.Wait(within(t))
	var ended *ProcessError
	require.ErrorAs(t, err, &ended)
	require.Equal(t, "host2", ended.Host)
	require.Equal(t, 7, ended.Exit.Code)
}

func TestStopAndKill(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		t.Run("Stop", func(t *testing.T) {
			run := launched(t, troubleProgram, trouble{Run: "wait", Bystander: "cancelled"}, kind)
			require.NoError(t, run.Stop(within(t)))
			require.NoError(t, run.Stop(within(t)), "again")
			require.NoError(t, run.Wait(t.Context()))
			run.Kill() // nothing is left
			require.NoError(t, run.Wait(t.Context()))
		})
		t.Run("Kill", func(t *testing.T) {
			run := launched(t, troubleProgram, trouble{Run: "wait"}, kind)
			run.Kill()
			require.ErrorIs(t, run.Wait(within(t)), ErrKilled)
		})
		t.Run("Notice 0", func(t *testing.T) {
			run := launched(t, troubleProgram, trouble{}, kind, Notice(0))
			require.NoError(t, run.Wait(within(t)))
		})
	})
}

func TestWaitBySeveral(t *testing.T) {
	run := launched(t, troubleProgram, trouble{Run: "wait"})
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, run.Wait(ended), context.Canceled)
	results := make(chan error)
	for range 8 {
		go func() { results <- run.Wait(t.Context()) }()
	}
	go func() { _ = run.Stop(t.Context()) }()
	for range 8 {
		require.NoError(t, <-results)
	}
}

// liver is a node of this process that says when it is stopped.
type liver struct {
	run  func(ctx context.Context) error
	told func() // of Stop
}

func (l *liver) Run(ctx context.Context) error { return l.run(ctx) }

func (l *liver) Stop(context.Context) error { l.told(); return nil }

// lone launches one node with a Run in this process, and returns what to read its end from.
func lone(t *testing.T, name string, run func(context.Context) error, opts ...Option) (*Run, chan struct{}) {
	t.Helper()
	stops := make(chan struct{}, 8)
	d := define(t, name, func(p *Program, _ int) error {
		Add(p, "liver", &liver{run, func() { stops <- struct{}{} }})
		return nil
	})
	r, err := d.Launch(t.Context(), 0, opts...)
	require.NoError(t, err)
	return r, stops
}

func TestNotice(t *testing.T) {
	for name, c := range map[string]struct {
		notice time.Duration
		ends   time.Duration // after its context has
		killed bool
		took   time.Duration
		stops  int
	}{
		"in time":            {10 * time.Second, 9 * time.Second, false, 9 * time.Second, 1},
		"too late":           {10 * time.Second, 11 * time.Second, true, 10 * time.Second, 0},
		"zero kills at once": {0, time.Hour, false, 0, 0},
		"negative waits":     {-1, time.Hour, false, time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run, stops := lone(t, "notice-"+label(name), func(ctx context.Context) error {
					<-ctx.Done()
					time.Sleep(c.ends)
					return nil
				}, Notice(c.notice))
				began := time.Now()
				err := run.Stop(context.Background())
				require.Equal(t, c.killed, errors.Is(err, ErrKilled), "%v", err)
				require.Equal(t, c.took, time.Since(began))
				if c.killed {
					var failed *NodeError
					require.ErrorAs(t, err, &failed)
					require.Equal(t, "liver/0", failed.Node)
					require.Equal(t, "run", failed.Phase)
				} else {
					require.NoError(t, err)
				}
				require.Len(t, stops, c.stops)
				time.Sleep(2 * time.Hour) // what was left ends here
			})
		})
	}
}

func TestStopEndsSoonerThanTheNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := lone(t, "sooner", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Hour)
			return nil
		}, Notice(-1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, run.Stop(ctx), ErrKilled)
		require.Equal(t, time.Second, time.Since(began))
		time.Sleep(2 * time.Hour)
	})
}

func TestWhatHangsKeepsNoOtherFromItsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stops := make(chan string, 8)
		d := define(t, "hangs", func(p *Program, _ int) error {
			Add(p, "stuck", &liver{func(context.Context) error { time.Sleep(time.Hour); return nil }, func() { stops <- "stuck" }}, On("host1"))
			Add(p, "good", &liver{func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, func() { stops <- "good" }}, On("host1"))
			return nil
		})
		run, err := d.Launch(t.Context(), 0)
		require.NoError(t, err)
		require.ErrorIs(t, run.Stop(t.Context()), ErrKilled)
		require.Equal(t, "good", <-stops)
		require.Empty(t, stops)
		time.Sleep(2 * time.Hour)
	})
}

type relay struct {
	next actor.Ref[*relay]
	hop  func(int)
}

func (r *relay) Pass(ctx context.Context, n int) error {
	r.hop(n)
	if n == 0 {
		return nil
	}
	return actor.Tell(ctx, r.next, (*relay).Pass, n-1)
}

type starter struct{ first actor.Ref[*relay] }

func (s *starter) Run(ctx context.Context) error { return actor.Tell(ctx, s.first, (*relay).Pass, 5) }

func TestQueuedTellsAreHandledBeforeTheEnd(t *testing.T) {
	hops := make(chan int, 6)
	d := define(t, "relay", func(p *Program, _ int) error {
		hop := func(n int) { hops <- n }
		a := &relay{hop: hop}
		first := Add(p, "relay", a)
		a.next = Add(p, "relay", &relay{first, hop}) // a ring of two
		Add(p, "starter", &starter{first})
		return nil
	})
	run := launched(t, d, 0)
	require.NoError(t, run.Wait(within(t)))
	require.Len(t, hops, 6, "each hop's Tell was handled, although all Runs had returned")
}

func TestStopOutsideOfANode(t *testing.T) {
	require.ErrorContains(t, Stop(t.Context()), "use Run.Stop")
}

func TestStopMethodsKnowTheirRun(t *testing.T) {
	run := launched(t, troubleProgram, trouble{Stop: "stop"})
	require.NoError(t, run.Wait(within(t)), "Stop in a Stop is late, but no error")
}

func TestLaunchUnderAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	cancel(why)
	everywhere(t, func(t *testing.T, kind Option) {
		_, err := idleProgram.Launch(ctx, starConfig{}, kind)
		require.ErrorIs(t, err, why)
		require.Equal(t, StatusLaunch, ExitStatus(err))
		require.EqualError(t, err, "launching test-idle: changed my mind")
	})
}

// label makes a name of a test's.
func label(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == ' ' {
			b[i] = '-'
		}
	}
	return string(b)
}

// nascent is a node whose Start lasts.
type nascent struct {
	began   chan struct{}
	lasts   time.Duration // negative: until its context ends
	handled chan struct{}
}

func (n *nascent) Start(ctx context.Context) error {
	close(n.began)
	if n.lasts < 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(n.lasts)
	return nil
}

func (n *nascent) Handle(context.Context) error { close(n.handled); return nil }

// A node that starts holds up the end only where it has something to handle.
func TestRunEndsInGoodOrderWhileANodeStarts(t *testing.T) {
	for name, c := range map[string]struct {
		lasts time.Duration
		tell  bool
	}{"nothing to handle": {-1, false}, "a message": {time.Minute, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &nascent{make(chan struct{}), c.lasts, make(chan struct{})}
				d := define(t, "nascent-"+label(name), func(p *Program, _ int) error { Add(p, "nascent", n); return nil })
				run, err := d.Launch(t.Context(), 0, Notice(-1))
				require.NoError(t, err)
				<-n.began
				ref, err := Find[*nascent](run, "nascent", 0)
				require.NoError(t, err)
				if c.tell {
					require.NoError(t, actor.Tell0(t.Context(), ref, (*nascent).Handle))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began := time.Now()
				run.beginEnd(true)
				require.NoError(t, run.Wait(ctx))
				require.Equal(t, max(c.lasts, 0), time.Since(began))
				if c.tell {
					<-n.handled
				}
			})
		})
	}
}

// Runs that do not return cost others half of the notice, however many hosts they are on.
func TestStuckRunsLeaveTimeForStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stops := make(chan struct{}, 1)
		d := define(t, "stuck-hosts", func(p *Program, _ int) error {
			for _, h := range p.Hosts() {
				Add(p, "stuck", &liver{func(context.Context) error { time.Sleep(time.Hour); return nil }, func() {}}, On(h))
			}
			Add(p, "careful", &careful{stops})
			return nil
		}, LocalHosts(5))
		run, err := d.Launch(t.Context(), 0, Notice(10*time.Second))
		require.NoError(t, err)
		synctest.Wait() // all of them run
		run.beginEnd(true)
		require.ErrorIs(t, run.Wait(t.Context()), ErrKilled)
		require.Len(t, stops, 1)
		time.Sleep(2 * time.Hour) // what was left ends here
	})
}

// careful is a node whose Stop takes a while.
type careful struct{ stopped chan struct{} }

func (c *careful) Stop(ctx context.Context) error {
	select {
	case <-time.After(2 * time.Second):
		c.stopped <- struct{}{}
	case <-ctx.Done():
	}
	return ctx.Err()
}
