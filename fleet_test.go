package tlaunch

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/cluster"
)

// unequalProgram is another program, or none, in processes with a variable that the launcher does not have.
var unequalProgram = Define("test-unequal", func(p *Program, _ int) error {
	switch os.Getenv("TLAUNCH_TEST_UNEQUAL") {
	case "node":
		Add(p, "hub", &hub{}, On("host1"))
		Add(p, "extra", &store{}, On("host2"))
	case "error":
		return errors.New("not today")
	}
	Add(p, "hub", &hub{}, On("host1"))
	Add(p, "hub", &hub{}, On("host2"))
	return nil
}, LocalHosts(2))

func TestLaunchesThatFail(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	notExecutable := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(notExecutable, nil, 0o600))
	for name, c := range map[string]struct {
		opt    Option
		want   string
		status int
	}{
		"a node more":   {Env("TLAUNCH_TEST_UNEQUAL=node"), `the program is not the same in every process: node hub/1: its name is "hub/1" at the launcher and "extra/0" at host1`, StatusLaunch},
		"an error":      {Env("TLAUNCH_TEST_UNEQUAL=error"), "not today", StatusLaunch},
		"ports in use":  {Ports(port + "-" + port), "every port of " + port + "-" + port + " is in use here", StatusLaunch},
		"no executable": {Binary("", notExecutable), "permission denied", StatusLaunch},
		"lease":         {Lease(-1), "", StatusUsage},
		"variable":      {Env("=x"), "", StatusUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := unequalProgram.Launch(within(t), 0, procs, c.opt)
			require.Equal(t, c.status, ExitStatus(err), "%v", err)
			require.ErrorContains(t, err, c.want)
			if c.status == StatusLaunch {
				require.ErrorContains(t, err, "launching test-unequal: 2 of 2 hosts failed\n  ")
				var failed *LaunchError
				require.ErrorAs(t, err, &failed)
				require.Len(t, failed.Errs, 2)
			}
		})
	}
}

func TestLaunchThatIsCancelledLeavesNothing(t *testing.T) {
	for _, stage := range []bootstrap.Stage{bootstrap.StageStarted, StageRegistered} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(within(t))
			why := errors.New("never mind")
			_, err := idleProgram.Launch(ctx, starConfig{}, procs, OnProgress(func(p Progress) {
				if p.Stage == stage {
					cancel(why)
				}
			}))
			require.ErrorIs(t, err, why)
			require.Equal(t, StatusLaunch, ExitStatus(err))
		})
	}
}

func TestHostThatFailsBeforeTheStart(t *testing.T) {
	why := errors.New("gone")
	f := &fleet{run: &Run{program: &program{name: "p"}}, settings: newSettings(nil), hosts: map[string]*hostProcess{"a": nil, "b": nil}, cancel: func() {}}
	p := &hostProcess{ready: make(chan error, 1)}
	require.True(t, p.settle(nil))
	require.False(t, p.settle(why), "it was ready: what failed then is no answer to whether it is")
	require.NoError(t, <-p.ready)
	f.failed(failure{blame: blameExit, host: "a", err: why})
	err := f.start()
	require.EqualError(t, err, "launching p: 1 of 2 hosts failed\n  gone")
	require.ErrorIs(t, err, why)
	f.close() // again
}

func TestRecords(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var records []Record
	var handled []string
	handler := slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		handled = append(handled, string(b))
		return len(b), nil
	}), &slog.HandlerOptions{Level: slog.LevelInfo})
	run := launched(t, troubleProgram, trouble{Run: "chat"}, procs, LogTo(handler), OnRecord(func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		r.Time, r.Seq, r.NodeSeq = time.Time{}, 0, 0
		records = append(records, r)
	}))
	require.NoError(t, run.Wait(within(t)))
	require.Contains(t, records, Record{Host: "host2", Stream: bootstrap.Stdout, Text: "plain\x1b[2J"})
	require.Contains(t, records, Record{Host: "host2", Stream: bootstrap.Log, Node: "bad/0", Level: slog.LevelWarn, Text: "said",
		Attrs: []bootstrap.Attr{{Key: "n", Value: "1"}, {Key: "g.k", Value: "v"}}})
	require.Contains(t, records, Record{Host: "host2", Stream: bootstrap.Log, Node: "bad/0", Level: slog.LevelDebug, Text: "below",
		Attrs: []bootstrap.Attr{{Key: "with", Value: "2"}, {Key: "deep.n", Value: "3"}}})
	said := slices.IndexFunc(handled, func(line string) bool { return strings.Contains(line, "msg=said") })
	require.GreaterOrEqual(t, said, 0)
	require.Contains(t, handled[said], "level=WARN msg=said host=host2 stream=log node=bad/0 n=1 g.k=v\n")
	require.NotContains(t, strings.Join(handled, ""), "msg=below", "the handler's level holds")
}

func TestNodesNamesInRecords(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var nodes []string
	run := launched(t, starProgram, starConfig{Rounds: 2}, procs, OnRecord(func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		if r.Text == "stopped" {
			nodes = append(nodes, r.Node)
			nodes = append(nodes, r.Attrs[0].Value, r.Attrs[1].Value)
		}
	}))
	require.NoError(t, run.Wait(within(t)))
	require.Equal(t, []string{"Nabe", "6", "4"}, nodes)
}

func TestDescriptionHoldsNoConfiguration(t *testing.T) {
	g, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) {
		Add(p, "hub", &hub{key: NewSecret("hunter2")}, Named("Nabe"))
		for range 3000 {
			Add(p, strings.Repeat("x", 60), &hub{key: NewSecret("hunter2")}, Named(strings.Repeat("é", 60)))
		}
	})
	require.NoError(t, err)
	f := &fleet{run: &Run{id: "run-1", program: &program{name: "p"}, graph: g}}
	full := string(f.description())
	require.LessOrEqual(t, len(full), cluster.MaxDescription)
	require.Contains(t, full, `"nodes_omitted":3001`)
	g.summary = g.summary[:1]
	require.Contains(t, string(f.description()), `"nodes":[{"node":"hub/0","name":"Nabe","host":"host1","type":"*tlaunch.hub"}]`)
	require.NotContains(t, string(f.description()), "hunter2")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestUnreachableNodes(t *testing.T) {
	g, err := graphOf(t, hostsOf(t, "host1"), func(p *Program) { Add(p, "hub", &hub{}) })
	require.NoError(t, err)
	w := newWhereabouts(g)
	_, err = w.locate("nobody/0")
	require.ErrorIs(t, err, actor.ErrNoNode)
	_, err = w.locate("hub/0")
	require.ErrorIs(t, err, actor.ErrUnreachable)
	require.Empty(t, w.joined("host1", "a:1", 1))
	address, err := w.locate("hub/0")
	require.NoError(t, err)
	require.Equal(t, "a:1", address)
	host, ok := w.hostAt("a:1")
	require.True(t, ok)
	require.Equal(t, "host1", host)
	_, ok = w.hostAt("b:1")
	require.False(t, ok)
}
