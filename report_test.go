package tlaunch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// ledgerOf is the ledger of a run with nodes on hosts, all of which have started.
func ledgerOf(t *testing.T, hosts []string, fill func(p *Program)) *ledger {
	t.Helper()
	g, err := graphOf(t, hostsOf(t, hosts...), fill)
	require.NoError(t, err)
	l := newLedger("star-1", "star", g, newLastLines())
	for _, h := range hosts {
		l.addHosts([]Host{{Name: h}})
	}
	for _, h := range hosts {
		l.nodesStarted(h)
	}
	return l
}

// golden compares a text with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test -run %s -rewrite . writes it anew", t.Name())
}

func TestReportOfAProcessThatWasKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t, threeHosts, func(p *Program) {
			Add(p, "hub", &hub{}, On("host1"), Named("Nabe"))
			for range 2 {
				Add(p, "worker", &hub{}, On("host2"))
			}
			Add(p, "worker", &hub{}, On("host3"))
		})
		l.lines.add(Record{Host: "host2", Stream: bootstrap.Stderr, Text: "out of memory"})
		time.Sleep(1234 * time.Millisecond)
		bereft := outcome{"worker/2", "host3", "run", fmt.Errorf("%w: the link broke", actor.ErrUnreachable)}
		l.nodeEnded(bereft, false)
		l.note(failure{nodeBlame(bereft.err), "host3", "worker/2", newNodeError(bereft)})
		require.Equal(t, "worker/2", l.report(time.Now()).FirstCause.Node, "what is known so far")
		exit := bootstrap.Exit{Code: 137, Signal: "SIGKILL"}
		l.processEnded("host2", exit, false, false, false)
		l.note(failure{blameDeath, "host2", "", &ProcessError{Host: "host2", Exit: exit}})
		l.processEnded("host1", bootstrap.Exit{}, true, true, false)
		l.processEnded("host3", bootstrap.Exit{}, true, true, false)
		l.close()

		require.Equal(t, 137, ExitStatus(l.failure()))
		r := l.report(time.Now())
		golden(t, "report-killed.txt", r.String())
		require.Equal(t, StateFailed, r.Hosts[1].State)
		require.Equal(t, StateEnded, r.Hosts[2].State)
		b, err := json.Marshal(r)
		require.NoError(t, err)
		var back Report
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, r.String(), back.String())
		require.Contains(t, string(b), `"ending":{"how":"signal","reason":"killed by SIGKILL","status":137,"signal":"SIGKILL"}`)
	})
}

func TestReportOfManyNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t, threeHosts, func(p *Program) {
			Add(p, "hub", &hub{}, On("host1"))
			for i := range 499 {
				Add(p, "worker", &hub{}, On(threeHosts[i%3]))
			}
		})
		end := func(i int, err error, late bool) {
			o := outcome{fmt.Sprintf("worker/%d", i), threeHosts[i%3], "run", err}
			l.nodeEnded(o, late)
			if err != nil && !late {
				l.note(failure{nodeBlame(err), o.host, o.node, newNodeError(o)})
			}
		}
		l.lines.add(Record{Host: "host2", Node: "worker/7", Stream: bootstrap.Log, Level: 8, Time: time.Now(), Text: "cannot go on", Attrs: []bootstrap.Attr{{Key: "left", Value: "3"}}})
		time.Sleep(time.Second)
		for i := range 7 {
			end(i, nil, false)
		}
		end(7, &actor.PanicError{Value: "out of order", Stack: "goroutine 9 [running]:\nmain.go:12\n"}, false)
		for i := 8; i < 499; i++ {
			switch {
			case i%100 == 0:
				end(i, errors.New("no luck"), false)
			case i%2 == 0:
				time.Sleep(time.Millisecond)
				end(i, actor.ErrUnreachable, false)
			}
		}
		for i := 9; i < 499; i += 2 {
			end(i, errors.New("too late"), true)
		}
		l.note(endFailure(&NodeError{Node: "hub/0", Host: "host1", Phase: "stop", Err: fmt.Errorf("%w: it hangs", ErrKilled)}))
		l.close()
		r := l.report(time.Now())
		golden(t, "report-many.txt", r.String())
		require.Less(t, strings.Count(r.String(), "\n"), 30)
		require.Equal(t, HowPanic, r.FirstCause.Ending.How)
		inColour := r.text(time.Now(), true)
		require.Contains(t, inColour, "\x1b[31mfailed\x1b[0m ")
		require.NotContains(t, r.String(), "\x1b")
	})
}

func TestReportWhileItRuns(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, idleProgram, starConfig{}, kind)
		r := run.Report()
		require.False(t, r.Over)
		require.Nil(t, r.FirstCause)
		for _, n := range r.Nodes {
			require.Equal(t, StateRunning, n.State)
			require.False(t, n.Started.IsZero())
		}
		require.Contains(t, r.String(), " has run for ")
		require.NoError(t, run.Stop(within(t)))
		r = run.Report()
		require.True(t, r.Over)
		for _, n := range r.Nodes {
			require.Equal(t, StateStopped, n.State)
			require.Positive(t, n.Duration(r.Ended))
		}
		for _, h := range r.Hosts {
			require.Equal(t, StateEnded, h.State)
		}
		require.Contains(t, r.String(), " ended after ")
	})
}

func TestReportOfAGoodEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		run := launched(t, starProgram, starConfig{Rounds: 2}, kind)
		require.NoError(t, run.Wait(within(t)))
		r := run.Report()
		require.Nil(t, r.FirstCause)
		require.Equal(t, "Nabe", r.Nodes[0].Name)
		require.Equal(t, StateStopped, r.Nodes[0].State)
		require.Equal(t, StateEnded, r.Nodes[1].State)
	})
}

// The node on host2 ends its process; that on host1 loses it and fails, too.
func TestFirstCauseIsTheProcessThatDied(t *testing.T) {
	t.Parallel()
	run := launched(t, orphanProgram, 0, procs)
	err := run.Wait(within(t))
	var ended *ProcessError
	require.ErrorAs(t, err, &ended)
	require.Equal(t, 7, ExitStatus(err))
	c := run.Report().FirstCause
	require.Equal(t, "host2", c.Host)
	require.Empty(t, c.Node)
	require.Equal(t, Ending{How: HowExit, Status: 7, Reason: "exit status 7"}, c.Ending)
	require.Equal(t, []string{"bystander/0"}, c.Lost)
	require.Contains(t, c.Last, "leaving")
}

func TestReportOfKilledNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := lone(t, "stuck", func(context.Context) error { time.Sleep(time.Hour); return nil }, Notice(time.Second))
		require.ErrorIs(t, run.Stop(t.Context()), ErrKilled)
		n := run.Report().Nodes[0]
		require.Equal(t, StateKilled, n.State)
		require.Equal(t, HowKilled, n.Ending.How)
		time.Sleep(2 * time.Hour)
	})
}

// What a process that stopped answering left behind, and another that gave up on it by exiting.
func TestReportOfASilentProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t, threeHosts, func(p *Program) {
			for _, h := range threeHosts {
				Add(p, "peer", &hub{}, On(h))
			}
		})
		bereft := outcome{"peer/2", "host3", "run", fmt.Errorf("%w: no answer", actor.ErrUnreachable)}
		l.nodeEnded(bereft, false)
		l.note(failure{blameBereft, "host3", "peer/2", newNodeError(bereft)})
		time.Sleep(10 * time.Second)
		exit := bootstrap.Exit{Code: 137, Signal: "SIGKILL"}
		l.processEnded("host2", exit, false, false, true)
		l.note(failure{blameSilent, "host2", "", fmt.Errorf("%w: the process on host2", ErrKilled)})
		l.processEnded("host1", bootstrap.Exit{}, true, true, false)
		l.processEnded("host3", bootstrap.Exit{}, true, true, false)
		l.close()
		golden(t, "report-silent.txt", l.report(time.Now()).String())
	})
}

func TestReportOfTwoProcessesThatDied(t *testing.T) {
	for second, want := range map[blame]func(c *Cause) []string{
		blameExit:  func(c *Cause) []string { return c.Consequences }, // it may have given up on the first
		blameDeath: func(c *Cause) []string { return c.Also },
	} {
		l := ledgerOf(t, threeHosts, func(p *Program) {
			for _, h := range threeHosts {
				Add(p, "peer", &hub{}, On(h))
			}
		})
		l.processEnded("host1", bootstrap.Exit{Code: 137, Signal: "SIGKILL"}, false, false, false)
		l.note(failure{blameDeath, "host1", "", &ProcessError{Host: "host1"}})
		l.processEnded("host2", bootstrap.Exit{Code: 3}, false, false, false)
		l.note(failure{second, "host2", "", &ProcessError{Host: "host2"}})
		c := l.report(time.Now()).FirstCause
		require.Equal(t, "host1", c.Host)
		require.Equal(t, []string{"peer/0"}, c.Lost)
		require.Equal(t, []string{"peer/1"}, want(c))
	}
}

func TestFold(t *testing.T) {
	require.Equal(t, "a/0", fold([]string{"a/0"}))
	require.Equal(t, "a/[0-2,5], b/1", fold([]string{"a/5", "a/1", "b/1", "a/0", "a/2"}))
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("a/%d", 2*i))
	}
	require.Equal(t, "a/[0,2,4,6,8,10,12,14,…]", fold(many))
}

// A run may end, for another's failure, while a host is away.
func TestReportOfAHostThatDidNotComeBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t, threeHosts, func(p *Program) {
			for _, h := range threeHosts {
				Add(p, "peer", &hub{}, On(h))
			}
		})
		l.processEnded("host1", bootstrap.Exit{Code: 137, Signal: "SIGKILL"}, false, false, false)
		l.hostRestarts("host1", []string{"peer/0"})
		require.Equal(t, StateWaiting, l.report(time.Now()).Nodes[0].State)
		failed := outcome{"peer/1", "host2", "run", errTrouble}
		l.nodeEnded(failed, false)
		l.note(failure{blameOwn, "host2", "peer/1", newNodeError(failed)})
		l.close()
		time.Sleep(time.Hour)
		r := l.report(time.Now())
		require.Equal(t, StateLost, r.Nodes[0].State)
		require.Equal(t, StateFailed, r.Hosts[0].State)
		require.Zero(t, r.Nodes[0].Duration(time.Now()), "it does not go on")
		require.Equal(t, []string{"peer/0"}, r.FirstCause.Also)
	})
}

func TestWhatDidNotEndInTime(t *testing.T) {
	for want, c := range map[string]*Cause{
		"the process on h was killed: it had not ended when the notice was over": {Host: "h", Ending: Ending{How: HowKilled, Reason: "it had not ended when the notice was over"}},
		"node a/0 on h had not ended when the notice was over (stop)":            {Host: "h", Node: "a/0", Ending: Ending{How: HowKilled, Phase: "stop", Reason: "long"}},
	} {
		require.Equal(t, want+"\n", c.String())
	}
}
