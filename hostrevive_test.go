package tlaunch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// kill ends the process of a host, from 0, as the kernel would.
func kill(t *testing.T, run *Run, host int) {
	t.Helper()
	r, err := Find[*reaper](run, "reaper", host)
	require.NoError(t, err)
	require.ErrorIs(t, actor.Do0(within(t), r, (*reaper).Kill), actor.ErrPeerGone)
}

func waiting() map[string][]string {
	return map[string][]string{"mortal/0": {"wait"}, "mortal/1": {"wait"}, "mortal/2": {"wait"}}
}

func TestHostIsStartedAgain(t *testing.T) {
	t.Parallel()
	var w warnings
	run := launched(t, mortalProgram, mortalConfig{Ends: waiting(), Restarts: &Restarts{Backoff: 100 * time.Millisecond}, Least: -1}, procs, w.logger())
	m, refs := mortals(t, run)
	livesOf(t, m, "mortal/0", 1)
	livesOf(t, m, "mortal/1", 1)
	require.NoError(t, actor.Do(within(t), refs[0], (*mortal).Mark, 1))

	held := actor.GoDo0(within(t), refs[0], (*mortal).Hold)
	require.Eventually(t, func() bool {
		held, err := actor.Call(within(t), m, (*midwife).Lets, "held")
		require.NoError(t, err)
		return held
	}, patience, time.Millisecond)
	queued := actor.GoDo(within(t), refs[0], (*mortal).Mark, 2)
	// A node of another host asks as well.
	asked := actor.GoDo(within(t), refs[1], (*mortal).MarkAt, refs[0])
	kill(t, run, 1)
	for _, f := range []*actor.Future[struct{}]{held, queued} {
		_, err := f.Wait(within(t))
		require.ErrorIs(t, err, actor.ErrPeerGone)
		require.NotErrorIs(t, err, actor.ErrUnreachable)
	}
	if _, err := asked.Wait(within(t)); err != nil {
		require.ErrorIs(t, err, actor.ErrPeerGone, "it was under way")
	}
	require.NoError(t, actor.Do(within(t), refs[0], (*mortal).Mark, 3), "from the launcher")
	require.NoError(t, actor.Do(within(t), refs[1], (*mortal).MarkAt, refs[0]), "from another host")
	marks, err := actor.Call0(within(t), refs[0], (*mortal).Marks)
	require.NoError(t, err)
	require.Subset(t, []int{3, 99}, marks)
	livesOf(t, m, "mortal/0", 2)
	livesOf(t, m, "mortal/1", 1)
	report := run.Report()
	require.Equal(t, []int{0, 1, 0, 0}, restartsIn(report))
	require.Equal(t, StateRunning, report.Nodes[1].State)
	require.Nil(t, report.FirstCause)

	// Again, and two at once.
	livesOf(t, m, "mortal/2", 1)
	kill(t, run, 1)
	kill(t, run, 3)
	livesOf(t, m, "mortal/0", 3)
	livesOf(t, m, "mortal/2", 2)
	require.NoError(t, actor.Do(within(t), refs[1], (*mortal).MarkAt, refs[2]))
	require.NoError(t, actor.Do(within(t), refs[2], (*mortal).MarkAt, refs[0]))
	require.NoError(t, run.Stop(within(t)))
	require.Contains(t, w.String(), "the process on host2 ended; starting it again in ")
	require.Contains(t, w.String(), "(2 of 5 within 1m0s)")
}

func TestHostThatKeepsDying(t *testing.T) {
	t.Parallel()
	ends := waiting()
	ends["mortal/1"] = []string{"kill"}
	run := launched(t, mortalProgram, mortalConfig{Ends: ends, Restarts: &Restarts{Max: 2, Backoff: -1}, Least: -1}, procs)
	err := run.Wait(within(t))
	var spent *RestartError
	require.ErrorAs(t, err, &spent)
	require.Equal(t, "mortal/1", spent.Node)
	require.Equal(t, 2, spent.Times)
	var died *ProcessError
	require.ErrorAs(t, err, &died)
	require.Equal(t, "host3", died.Host)
	require.Equal(t, 128+9, ExitStatus(err))
	require.Equal(t, "host3", run.Report().FirstCause.Host)
}

func TestRunGoesOnWithoutAHost(t *testing.T) {
	t.Parallel()
	var w warnings
	run := launched(t, mortalProgram, mortalConfig{Ends: waiting(), Least: 2}, procs, w.logger())
	m, refs := mortals(t, run)
	livesOf(t, m, "mortal/0", 1)
	kill(t, run, 1)
	require.Eventually(t, func() bool {
		return run.Report().Nodes[1].State == StateLost
	}, patience, time.Millisecond)
	require.ErrorIs(t, actor.Do(within(t), refs[0], (*mortal).Mark, 1), actor.ErrPeerGone)
	require.ErrorIs(t, actor.Do(within(t), refs[1], (*mortal).MarkAt, refs[0]), actor.ErrPeerGone)
	require.Contains(t, w.String(), "going on without it")
	livesOf(t, m, "mortal/2", 1)
	kill(t, run, 3)
	err := run.Wait(within(t))
	var group *GroupError
	require.ErrorAs(t, err, &group)
	require.Equal(t, 1, group.Left)
	require.Contains(t, err.Error(), "1 of 3 nodes are left in group mortal, at least 2 must be; the first to fail: the process on host2 ended: killed by SIGKILL")
	require.Equal(t, "host2", run.Report().FirstCause.Host)
}

// A host with a node that has no policy ends the run, as ever.
func TestHostOfANodeWithoutPolicy(t *testing.T) {
	t.Parallel()
	run := launched(t, mortalProgram, mortalConfig{Ends: waiting(), Restarts: &Restarts{}, Least: -1}, procs)
	m, _ := mortals(t, run)
	livesOf(t, m, "mortal/0", 1)
	r, err := Find[*reaper](run, "reaper", 0)
	require.NoError(t, err)
	require.Error(t, actor.Do0(within(t), r, (*reaper).Kill))
	var died *ProcessError
	require.ErrorAs(t, run.Wait(within(t)), &died)
	require.Equal(t, "host1", died.Host)
}

func TestNodesThatAreDoneAreNotRunAgain(t *testing.T) {
	t.Parallel()
	ends := map[string][]string{"mortal/0": {"return"}, "mortal/1": {"wait"}, "mortal/2": {"wait"}}
	run := launched(t, mortalProgram, mortalConfig{Ends: ends, Restarts: &Restarts{Backoff: -1}, Least: -1}, procs)
	m, refs := mortals(t, run)
	require.Eventually(t, func() bool { return run.Report().Nodes[1].State == StateEnded }, patience, time.Millisecond)
	livesOf(t, m, "mortal/0", 1)
	kill(t, run, 1)
	require.Eventually(t, func() bool { return run.Report().Nodes[1].Restarts == 1 }, patience, time.Millisecond)
	require.NoError(t, actor.Do(within(t), refs[0], (*mortal).Mark, 1), "its methods are there again")
	livesOf(t, m, "mortal/0", 1)
}

func TestStopWhileAHostIsAway(t *testing.T) {
	for name, backoff := range map[string]time.Duration{"pausing": time.Hour, "starting": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w warnings
			run := launched(t, mortalProgram, mortalConfig{Ends: waiting(), Restarts: &Restarts{Backoff: backoff}, Least: -1}, procs, w.logger(), Notice(time.Hour))
			m, refs := mortals(t, run)
			livesOf(t, m, "mortal/0", 1)
			kill(t, run, 1)
			require.Eventually(t, func() bool { return strings.Contains(w.String(), "starting it again in ") }, patience, time.Millisecond)
			waits := make(chan error, 1)
			go func() { waits <- actor.Do(context.Background(), refs[0], (*mortal).Mark, 1) }()
			require.NoError(t, run.Stop(within(t)), "it waits for nothing, or its notice would be too long for this")
			if err := <-waits; backoff > 0 {
				require.ErrorIs(t, err, actor.ErrStopped)
			}
		})
	}
}

// widowed has on its second host a node that comes back and is not active, and the run's only active one, which does not come back.
var widowed = Define("test-widowed", func(p *Program, cfg mortalConfig) error {
	m := Add(p, "midwife", &midwife{ends: cfg.Ends}, On("host1"))
	Add(p, "mortal", &mortal{midwife: m}, On("host2"), OnFailure(KeepAtLeast(0)))
	Add(p, "reaper", &reaper{}, On("host2"), OnFailure(Restart(Restarts{Backoff: -1})))
	return nil
}, LocalHosts(2))

func TestTheLastActiveNodeIsLostWithAHostThatComesBack(t *testing.T) {
	t.Parallel()
	run := launched(t, widowed, mortalConfig{Ends: waiting()}, procs)
	m, err := Find[*midwife](run, "midwife", 0)
	require.NoError(t, err)
	livesOf(t, m, "mortal/0", 1)
	r, err := Find[*reaper](run, "reaper", 0)
	require.NoError(t, err)
	require.ErrorIs(t, actor.Do0(within(t), r, (*reaper).Kill), actor.ErrPeerGone)
	require.NoError(t, run.Wait(within(t)), "no Run is left to wait for")
	require.Equal(t, StateLost, run.Report().Nodes[1].State)
}

type rejoinConfig struct{ Flag string }

// rejoining has a command on each of two hosts, of which the second fails for as long as there is a file.
var rejoining = Define("test-rejoining", func(p *Program, cfg rejoinConfig) error {
	again := OnFailure(Restart(Restarts{Max: -1, Backoff: 50 * time.Millisecond, MaxBackoff: 50 * time.Millisecond}))
	Add(p, "reaper", &reaper{}, On("host1"), again)
	for _, h := range p.Hosts() {
		script := `echo "$MASTER_PORT"; while [ "$RANK" = 0 ] || [ ! -e "$FLAG" ]; do sleep 0.05; done; exit 1`
		AddCommand(p, "rank", Command{Path: "sh", Args: []string{"-c", script}, Env: map[string]string{"FLAG": cfg.Flag}}, On(h), again)
	}
	return nil
}, LocalHosts(2))

func TestCommandsFollowARankZeroThatIsElsewhere(t *testing.T) {
	t.Parallel()
	flag := filepath.Join(t.TempDir(), "flag")
	said := newNotes()
	run := launched(t, rejoining, rejoinConfig{flag}, procs, said.option())
	last := func(node string, lives int) (port string) {
		require.Eventually(t, func() bool {
			lines := said.lines(node, bootstrap.Stdout)
			if len(lines) < lives {
				return false
			}
			port = lines[len(lines)-1]
			return true
		}, patience, 10*time.Millisecond)
		return port
	}
	before := last("rank/0", 1)
	require.Equal(t, before, last("rank/1", 1))
	r, err := Find[*reaper](run, "reaper", 0)
	require.NoError(t, err)
	require.ErrorIs(t, actor.Do0(within(t), r, (*reaper).Kill), actor.ErrPeerGone)
	after := last("rank/0", 2)
	require.NoError(t, os.WriteFile(flag, nil, 0o600))
	require.Eventually(t, func() bool { return last("rank/1", 2) == after }, patience, 10*time.Millisecond)
	require.NoError(t, run.Stop(within(t)))
}
