package tlaunch

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// birth is what a mortal says of itself when it begins.
type birth struct {
	Node string
	Runs int // of this value: 1 where it is fresh
	Pid  int
}

// midwife counts the lives of the mortals and says how each is to end.
type midwife struct {
	ends   map[string][]string // of each node's lives, in order; the last is that of all further ones
	births []birth
	let    map[string]bool
}

func (m *midwife) Start(context.Context) error { m.let = map[string]bool{}; return nil }

// Let has the node fail whose life ends "when let".
func (m *midwife) Let(_ context.Context, node string) error { m.let[node] = true; return nil }

func (m *midwife) Lets(_ context.Context, node string) (bool, error) { return m.let[node], nil }

func (m *midwife) Born(_ context.Context, b birth) (string, error) {
	lives := 0
	for _, o := range m.births {
		if o.Node == b.Node {
			lives++
		}
	}
	m.births = append(m.births, b)
	ends := m.ends[b.Node]
	if len(ends) == 0 {
		return "return", nil
	}
	return ends[min(lives, len(ends)-1)], nil
}

func (m *midwife) Births(context.Context) ([]birth, error) { return m.births, nil }

// mortal lives as the midwife says.
type mortal struct {
	midwife actor.Ref[*midwife]
	runs    int
	early   bool // it asks in Start
	marks   []int
}

func (m *mortal) Start(ctx context.Context) error {
	if m.early {
		return m.end(ctx)
	}
	return nil
}

func (m *mortal) Run(ctx context.Context) error {
	if m.early {
		return nil
	}
	return m.end(ctx)
}

func (m *mortal) end(ctx context.Context) error {
	m.runs++
	how, err := actor.Call(ctx, m.midwife, (*midwife).Born, birth{actor.Self(ctx), m.runs, os.Getpid()})
	if err != nil {
		return err
	}
	if how == "when let" {
		for let := false; !let; {
			if let, err = actor.Call(ctx, m.midwife, (*midwife).Lets, actor.Self(ctx)); err != nil {
				return err
			}
		}
		return errTrouble
	}
	if how == "kill" {
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		return self.Kill()
	}
	return do(ctx, how)
}

func (m *mortal) Mark(_ context.Context, n int) error { m.marks = append(m.marks, n); return nil }

// MarkAt leaves a mark of its own at another.
func (m *mortal) MarkAt(ctx context.Context, other actor.Ref[*mortal]) error {
	return actor.Do(ctx, other, (*mortal).Mark, 99)
}

func (m *mortal) Marks(context.Context) ([]int, error) { return m.marks, nil }

// Hold tells the midwife that it holds the turn, and does so until its context ends.
func (m *mortal) Hold(ctx context.Context) error {
	if err := actor.Do(ctx, m.midwife, (*midwife).Let, "held"); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// reaper ends the process that it lives in. A process knows its own number alone, which is not that by which others know it.
type reaper struct{}

func (reaper) Kill(context.Context) error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return self.Kill()
}

type mortalConfig struct {
	Ends     map[string][]string
	Early    bool
	Restarts *Restarts
	Least    int // negative: none
}

// mortalProgram has a midwife on the first host, and a mortal on each other.
var mortalProgram = Define("test-mortal", func(p *Program, cfg mortalConfig) error {
	hosts := p.Hosts()
	m := Add(p, "midwife", &midwife{ends: cfg.Ends}, On(hosts[0]))
	for _, h := range hosts[1:] {
		Add(p, "mortal", &mortal{midwife: m, early: cfg.Early}, On(h))
	}
	var policies []Policy
	if cfg.Restarts != nil {
		policies = append(policies, Restart(*cfg.Restarts))
	}
	if cfg.Least >= 0 {
		policies = append(policies, KeepAtLeast(cfg.Least))
	}
	p.OnFailure("mortal", policies...)
	for i, h := range hosts {
		var follows NodeOption = OnFailure(StopRun())
		if cfg.Restarts != nil && i > 0 {
			follows = OnFailure(Restart(*cfg.Restarts))
		} else if i > 0 {
			follows = OnFailure(KeepAtLeast(0))
		}
		Add(p, "reaper", &reaper{}, On(h), follows)
	}
	return nil
}, LocalHosts(4))

// mortals finds the nodes of a run of mortalProgram.
func mortals(t *testing.T, run *Run) (actor.Ref[*midwife], []actor.Ref[*mortal]) {
	t.Helper()
	m, err := Find[*midwife](run, "midwife", 0)
	require.NoError(t, err)
	var all []actor.Ref[*mortal]
	for i := range 3 {
		ref, err := Find[*mortal](run, "mortal", i)
		require.NoError(t, err)
		all = append(all, ref)
	}
	return m, all
}

// livesOf waits until a node has begun n lives, and returns them.
func livesOf(t *testing.T, m actor.Ref[*midwife], node string, n int) (lives []birth) {
	t.Helper()
	require.Eventually(t, func() bool {
		all, err := actor.Call0(within(t), m, (*midwife).Births)
		if errors.Is(err, actor.ErrUnreachable) {
			return false // a process of a busy machine was seen to take 5 s for a handshake
		}
		require.NoError(t, err)
		lives = nil
		for _, b := range all {
			if b.Node == node {
				lives = append(lives, b)
			}
		}
		return len(lives) >= n
	}, patience, 5*time.Millisecond, "%s has not begun its life %d", node, n)
	require.Len(t, lives, n)
	return lives
}

// warnings collects what a run warns of.
type warnings struct{ output.Buffer }

func (w *warnings) logger() Option { return Logger(slog.New(slog.NewTextHandler(w, nil))) }

// restartsIn is how often midwife and mortals were started again.
func restartsIn(r Report) (all []int) {
	for _, n := range r.Nodes[:4] {
		all = append(all, n.Restarts)
	}
	return all
}

func TestNodesAreStartedAgain(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, kind Option) {
		for name, early := range map[string]bool{"Run": false, "Start": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var w warnings
				run := launched(t, mortalProgram, mortalConfig{
					Ends:     map[string][]string{"mortal/0": {"fail", "panic", "wait"}, "mortal/1": {"wait"}, "mortal/2": {"return"}},
					Early:    early,
					Restarts: &Restarts{Backoff: 4 * time.Millisecond}, Least: -1,
				}, kind, w.logger())
				m, refs := mortals(t, run)
				lives := livesOf(t, m, "mortal/0", 3)
				for _, l := range lives {
					require.Equal(t, 1, l.Runs, "each has a value of its own")
					require.Equal(t, lives[0].Pid, l.Pid, "in the same process")
				}
				if !early { // whose Start waits
					require.NoError(t, actor.Do(within(t), refs[0], (*mortal).Mark, 7))
				}
				livesOf(t, m, "mortal/1", 1)
				require.NoError(t, run.Stop(within(t)))
				report := run.Report()
				require.Nil(t, report.FirstCause)
				require.Equal(t, []int{0, 2, 0, 0}, restartsIn(report))
				said := w.String()
				require.Contains(t, said, "node mortal/0 on host2 failed; starting it again in ")
				require.Contains(t, said, "(1 of 5 within 1m0s)")
				require.Contains(t, said, "(2 of 5 within 1m0s)")
				require.Contains(t, said, "no luck")
				require.Contains(t, said, "out of order")
				require.NotContains(t, said, "goroutine ")
			})
		}
	})
}

func TestRunEndsWhenNodesStartedAgainHaveReturned(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, mortalProgram, mortalConfig{
			Ends: map[string][]string{"mortal/0": {"fail", "fail", "return"}, "mortal/1": {"fail", "return"}}, Restarts: &Restarts{Backoff: -1}, Least: -1,
		}, kind)
		require.NoError(t, run.Wait(within(t)))
	})
}

func TestRestartsAreSpent(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, mortalProgram, mortalConfig{
			Ends: map[string][]string{"mortal/0": {"wait"}, "mortal/1": {"fail"}, "mortal/2": {"wait"}}, Restarts: &Restarts{Max: 2, Backoff: -1}, Least: -1,
		}, kind)
		err := run.Wait(within(t))
		var spent *RestartError
		require.ErrorAs(t, err, &spent)
		require.Equal(t, "mortal/1", spent.Node)
		require.Equal(t, 2, spent.Times)
		var failed *NodeError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "host3", failed.Host)
		require.EqualError(t, err, "node mortal/1 was started again 2 times within 1m0s, as often as its policy allows: node mortal/1 on host3 failed (run): no luck")
		require.Equal(t, StatusFailed, ExitStatus(err))
		report := run.Report()
		require.Equal(t, "mortal/1", report.FirstCause.Node)
		require.Equal(t, []int{0, 0, 2, 0}, restartsIn(report))
		require.Contains(t, report.String(), "first cause: node mortal/1 on host3 failed (run): no luck\n  node mortal/1 was started again 2 times within 1m0s, as often as its policy allows\n")
		require.Equal(t, StateFailed, report.Nodes[2].State)
	})
}

// No policy has a node started again whose error is final; a group goes on without it where it may.
func TestFinalErrorsAreNotTriedAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		for name, early := range map[string]bool{"Run": false, "Start": true} {
			t.Run(name, func(t *testing.T) {
				run := launched(t, mortalProgram, mortalConfig{
					Ends:  map[string][]string{"mortal/0": {"wait"}, "mortal/1": {"fail for good"}, "mortal/2": {"wait"}},
					Early: early, Restarts: &Restarts{Backoff: -1}, Least: -1,
				}, kind)
				err := run.Wait(within(t))
				require.ErrorIs(t, err, actor.ErrFinal)
				require.ErrorContains(t, err, "looked twice: no luck")
				var spent *RestartError
				require.NotErrorAs(t, err, &spent)
				require.Equal(t, []int{0, 0, 0, 0}, restartsIn(run.Report()))
			})
		}
		var w warnings
		run := launched(t, mortalProgram, mortalConfig{
			Ends:     map[string][]string{"mortal/0": {"return"}, "mortal/1": {"fail for good"}, "mortal/2": {"return"}},
			Restarts: &Restarts{Backoff: -1}, Least: 2,
		}, kind, w.logger())
		require.NoError(t, run.Wait(within(t)))
		require.Contains(t, w.String(), "node mortal/1 on host3 failed; going on without it (2 are left, at least 2 must be)")
		require.Equal(t, []int{0, 0, 0, 0}, restartsIn(run.Report()))
	})
}

func TestGroupGoesOnWithoutAFailedNode(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		var w warnings
		run := launched(t, mortalProgram, mortalConfig{
			Ends: map[string][]string{"mortal/0": {"fail"}, "mortal/1": {"when let"}, "mortal/2": {"wait"}}, Least: 2,
		}, kind, w.logger())
		m, refs := mortals(t, run)
		require.Eventually(t, func() bool {
			return errors.Is(actor.Do(within(t), refs[0], (*mortal).Mark, 1), actor.ErrStopped)
		}, patience, 5*time.Millisecond, "it was given up")
		require.NoError(t, actor.Do(within(t), refs[1], (*mortal).Mark, 1))
		require.Contains(t, w.String(), "node mortal/0 on host2 failed; going on without it (2 are left, at least 2 must be)")
		require.NoError(t, actor.Do(within(t), m, (*midwife).Let, "mortal/1"))
		err := run.Wait(within(t))
		var group *GroupError
		require.ErrorAs(t, err, &group)
		require.EqualError(t, err, "1 of 3 nodes are left in group mortal, at least 2 must be; the first to fail: node mortal/0 on host2 failed (run): no luck")
		report := run.Report()
		require.Equal(t, "mortal/0", report.FirstCause.Node)
		require.Equal(t, []State{StateStopped, StateFailed, StateFailed, StateStopped}, []State{report.Nodes[0].State, report.Nodes[1].State, report.Nodes[2].State, report.Nodes[3].State})
	})
}

func TestRunEndsWellWithoutThoseItMayLose(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		for name, ends := range map[string]map[string][]string{
			"some": {"mortal/0": {"fail"}, "mortal/1": {"fail"}},
			"all":  {"mortal/0": {"fail"}, "mortal/1": {"fail"}, "mortal/2": {"panic"}},
		} {
			t.Run(name, func(t *testing.T) {
				require.NoError(t, launched(t, mortalProgram, mortalConfig{Ends: ends}, kind).Wait(within(t)))
			})
		}
	})
}

// A call that the failed node was handling ends at once, one that comes while it is away is answered by the next.
func TestCallsAcrossARestart(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, mortalProgram, mortalConfig{
			Ends:     map[string][]string{"mortal/0": {"when let", "wait"}, "mortal/1": {"wait"}, "mortal/2": {"wait"}},
			Restarts: &Restarts{Backoff: 100 * time.Millisecond}, Least: -1,
		}, kind)
		m, refs := mortals(t, run)
		livesOf(t, m, "mortal/0", 1)
		require.NoError(t, actor.Do(within(t), refs[0], (*mortal).Mark, 1))
		held := actor.GoDo0(within(t), refs[0], (*mortal).Hold)
		queued := actor.GoDo(within(t), refs[0], (*mortal).Mark, 2)
		require.Eventually(t, func() bool {
			held, err := actor.Call(within(t), m, (*midwife).Lets, "held")
			require.NoError(t, err)
			return held
		}, patience, time.Millisecond)
		require.NoError(t, actor.Do(within(t), m, (*midwife).Let, "mortal/0"))
		for _, f := range []*actor.Future[struct{}]{held, queued} {
			_, err := f.Wait(within(t))
			require.ErrorIs(t, err, actor.ErrPeerGone)
		}
		require.NoError(t, actor.Do(within(t), refs[0], (*mortal).Mark, 3))
		marks, err := actor.Call0(within(t), refs[0], (*mortal).Marks)
		require.NoError(t, err)
		require.Equal(t, []int{3}, marks)
	})
}

func TestStopWhileANodeIsAway(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		var w warnings
		run := launched(t, mortalProgram, mortalConfig{
			Ends: map[string][]string{"mortal/0": {"fail"}, "mortal/1": {"wait"}, "mortal/2": {"wait"}}, Restarts: &Restarts{Backoff: time.Hour}, Least: -1,
		}, kind, w.logger(), Notice(time.Hour))
		require.Eventually(t, func() bool { return strings.Contains(w.String(), "starting it again in ") }, patience, time.Millisecond)
		require.NoError(t, run.Stop(within(t)), "it waits for nothing, or its notice would be too long for this")
	})
}

// What gathers for a life that does not come holds up no end, neither one in good order.
func TestRunEndsInGoodOrderWhileANodeIsAway(t *testing.T) {
	var w warnings
	run := launched(t, mortalProgram, mortalConfig{
		Ends: map[string][]string{"mortal/0": {"fail"}, "mortal/1": {"wait"}, "mortal/2": {"wait"}}, Restarts: &Restarts{Backoff: time.Hour, MaxBackoff: time.Hour}, Least: -1,
	}, InProcess(nil), w.logger(), Notice(time.Hour))
	require.Eventually(t, func() bool { return strings.Contains(w.String(), "starting it again in ") }, patience, time.Millisecond)
	home := run.engine.(*local).crews[1]
	require.Eventually(t, func() bool { return !home.opened(home.members[0]) }, patience, time.Millisecond) // the next is in the place of the failed one
	_, refs := mortals(t, run)
	gathers := actor.GoDo(within(t), refs[0], (*mortal).Mark, 1)
	run.beginEnd(true)
	require.NoError(t, run.Wait(within(t)), "it waits for nothing, or its notice would be too long for this")
	_, err := gathers.Wait(within(t))
	require.ErrorIs(t, err, actor.ErrStopped)
}
