package tlaunch

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// loner is a node that says where it lives, and dies when it is told to.
type loner struct{ other actor.Ref[*loner] }

// abode is where a node lives.
type abode struct {
	Host      string
	Pid, Peer int // its own process, and that of the node it refers to
	OpenFiles string
}

func (l *loner) Where(ctx context.Context) (abode, error) {
	seen, err := (*limited)(nil).See(ctx)
	if err != nil {
		return abode{}, err
	}
	peer, err := actor.Call0(ctx, l.other, (*loner).Pid)
	return abode{actor.HostOf(ctx), os.Getpid(), peer, seen.System["Max open files"]}, err
}

func (l *loner) Pid(context.Context) (int, error) { return os.Getpid(), nil }

func (l *loner) Die(context.Context) error {
	fmt.Println("last words")
	os.Exit(7)
	return nil
}

type lonerConfig struct {
	Restart bool
}

// lonerProgram has on its first host a node as usual, two that want processes of their own, and on its second a node that
// refers to one of these.
var lonerProgram = Define("test-loners", func(p *Program, cfg lonerConfig) error {
	inn := &loner{}
	home := Add(p, "inn", inn, On("host1"))
	opts := []NodeOption{On("host1"), OwnProcess(Limits{OpenFiles: 333})}
	if cfg.Restart {
		opts = append(opts, OnFailure(Restart(Restarts{Backoff: -1})))
	}
	first := Add(p, "loner", &loner{home}, opts...)
	Add(p, "loner", &loner{first}, opts...)
	inn.other = Add(p, "far", &loner{first}, On("host2"))
	return nil
}, LocalHosts(2))

func lonersOf(t *testing.T, run *Run) (refs []actor.Ref[*loner], at []abode) {
	t.Helper()
	for _, n := range []struct {
		label string
		index int
	}{{"inn", 0}, {"loner", 0}, {"loner", 1}, {"far", 0}} {
		ref, err := Find[*loner](run, n.label, n.index)
		require.NoError(t, err)
		a, err := actor.Call0(within(t), ref, (*loner).Where)
		require.NoError(t, err)
		refs, at = append(refs, ref), append(at, a)
	}
	return refs, at
}

func TestOwnProcess(t *testing.T) {
	t.Parallel()
	run := launched(t, lonerProgram, lonerConfig{}, procs)
	_, at := lonersOf(t, run)
	pids := map[int]bool{}
	for i, want := range []string{"host1", "host1", "host1", "host2"} {
		require.Equal(t, want, at[i].Host)
		require.Equal(t, i == 1 || i == 2, at[i].OpenFiles == "333 333", at[i].OpenFiles)
		pids[at[i].Pid] = true
	}
	require.Len(t, pids, 4, "each in a process of its own")
	require.Equal(t, []int{at[3].Pid, at[0].Pid, at[1].Pid, at[1].Pid}, []int{at[0].Peer, at[1].Peer, at[2].Peer, at[3].Peer}, "they reach each other")
	require.NoError(t, run.Stop(within(t)))
	report := run.Report()
	for _, n := range report.Nodes {
		require.Equal(t, StateStopped, n.State, n.Node)
		require.NotContains(t, n.Host, "~")
	}
}

func TestOwnProcessMeansNothingInOneProcess(t *testing.T) {
	here := func(s *settings) { s.encode = true }
	run := launched(t, lonerProgram, lonerConfig{Restart: true}, here)
	_, at := lonersOf(t, run)
	for i, want := range []string{"host1", "host1", "host1", "host2"} {
		require.Equal(t, want, at[i].Host)
		require.Equal(t, os.Getpid(), at[i].Pid)
	}
	require.NoError(t, run.Stop(within(t)))
}

func TestCrashOfAnOwnProcessIsItsNodes(t *testing.T) {
	t.Parallel()
	said := newNotes()
	run := launched(t, lonerProgram, lonerConfig{}, procs, said.option())
	refs, _ := lonersOf(t, run)
	require.Error(t, actor.Do0(within(t), refs[2], (*loner).Die))
	err := run.Wait(within(t))
	var failed *NodeError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "loner/1 host1", failed.Node+" "+failed.Host)
	var process *ProcessError
	require.ErrorAs(t, err, &process)
	require.Equal(t, "loner/1 host1", process.Node+" "+process.Host)
	require.ErrorContains(t, err, "node loner/1 on host1 failed (run): its own process ended: exit status 7")
	require.Equal(t, 7, ExitStatus(err))
	report := run.Report()
	require.Equal(t, "loner/1", report.FirstCause.Node)
	require.Contains(t, report.FirstCause.Last, "last words", "what its process prints is its own")
	require.Contains(t, report.String(), "the process of node loner/1 on host1 ended: exit status 7")
	require.Equal(t, StateLost, report.Nodes[2].State)
	for _, i := range []int{0, 1, 3} {
		require.Equal(t, StateStopped, report.Nodes[i].State, "the others have not gone down with it")
	}
	require.Contains(t, said.lines("loner/1", bootstrap.Stdout), "last words")
}

func TestOwnProcessIsStartedAgain(t *testing.T) {
	t.Parallel()
	run := launched(t, lonerProgram, lonerConfig{Restart: true}, procs)
	refs, before := lonersOf(t, run)
	require.ErrorIs(t, actor.Do0(within(t), refs[1], (*loner).Die), actor.ErrPeerGone)
	_, after := lonersOf(t, run)
	require.NotEqual(t, before[1].Pid, after[1].Pid)
	for _, i := range []int{0, 2, 3} {
		require.Equal(t, before[i].Pid, after[i].Pid, "the others live on")
	}
	require.Equal(t, after[1].Pid, after[3].Peer, "the same ref, another process")
	require.NoError(t, run.Stop(within(t)))
	require.Equal(t, 1, run.Report().Nodes[1].Restarts)
}

func TestOwnProcessMistakes(t *testing.T) {
	d := define(t, "own-mistakes", func(p *Program, _ int) error {
		AddCommand(p, "c", Command{Path: "true"}, OwnProcess())
		Add(p, "n", &loner{}, OwnProcess(Limits{Memory: 5}))
		return nil
	})
	_, err := d.Launch(t.Context(), 0)
	require.ErrorContains(t, err, "node c/0 is a command, which is a process of its own")
	require.ErrorContains(t, err, "node n/0: the limits of its process: ")
}

// ringOfOwn has two nodes with processes of their own on one host, each of which needs the other.
var ringOfOwn = Define("test-own-ring", func(p *Program, _ int) error {
	one := &loner{}
	first := Add(p, "loner", one, OwnProcess())
	one.other = Add(p, "loner", &loner{first}, OwnProcess())
	return nil
}, LocalHosts(1))

func TestCheckOfOwnProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	report, err := ringOfOwn.Check(within(t), 0, procs)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Len(t, report.Hosts, 2)
	require.Equal(t, 1, report.Pairs, "one link is enough for both")
	require.Contains(t, report.String(), "host1~loner.1 ")

	run := launched(t, ringOfOwn, 0, procs, Logs(dir))
	require.NoError(t, run.Stop(within(t)))
	require.Equal(t, []string{"@launcher.log", "loner-0.log", "loner-1.log"}, slices.Sorted(maps.Keys(filesIn(t, dir))), "what their processes print is theirs")
}

// A process that ends while the others are looked at is one of the report's, whosever it is.
func TestCheckOfAProcessThatEndsMeanwhile(t *testing.T) {
	f := &fleet{}
	r := &CheckReport{Hosts: []HostCheck{newHostCheck("host1~loner.0", &settings{})}}
	f.failed(failure{blameDeath, "host1~loner.0", "loner/0", &NodeError{Node: "loner/0", Host: "host1", Err: &ProcessError{Host: "host1", Node: "loner/0"}}})
	f.blameEarly(r)
	require.ErrorContains(t, r.Err(), "1 of 1 hosts")
}

// A process that is not heard any more is a failure of the node whose own it is.
func TestSilenceOfANodesOwnProcess(t *testing.T) {
	g, err := graphOf(t, hostsOf(t, "host1"), func(p *Program) {
		Add(p, "inn", &hub{})
		Add(p, "loner", &hub{}, OwnProcess())
	})
	require.NoError(t, err)
	f := &fleet{run: &Run{program: &program{name: "p"}, graph: g, troubles: newTroubles(g.nodes)}, settings: newSettings(nil), loners: g.loners()}
	for process, node := range map[string]string{"host1": "", "host1~loner.0": "loner/0"} {
		f.early = nil
		p := &hostProcess{name: process, ready: make(chan error, 1)}
		require.True(t, p.settle(nil))
		f.silent(p)
		require.Len(t, f.early, 1)
		require.Equal(t, node, f.early[0].node)
		var died *ProcessError
		require.ErrorAs(t, f.early[0].err, &died)
		require.Equal(t, "host1", died.Host)
		require.Equal(t, node, died.Node)
	}
}
