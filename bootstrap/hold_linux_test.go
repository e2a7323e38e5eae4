package bootstrap

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// family is a worker that ignores SIGTERM, with a child in a session of its own and a grandchild that has been forked twice.
type family struct {
	worker, init, agent, child, grandchild int
	dir                                    string
}

func startFamily(t *testing.T, cfg Config) (*Process, family) {
	p, j := launchLocal(t, cfg, "ignore")
	var f family
	f.worker, f.agent, f.dir = j.ids(t)
	f.init = parent(t, f.worker)
	f.child, f.grandchild = asleep(t, j.number(t, "child")), asleep(t, j.number(t, "grandchild"))
	return p, f
}

// asleep waits until a process of a family has become sleep, and returns its number: then the shells that were between have ended.
func asleep(t *testing.T, pid int) int {
	t.Helper()
	require.Eventually(t, func() bool {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		return err == nil && string(line) == "sleep\x001000\x00"
	}, patience, time.Millisecond, "process %d has not become sleep", pid)
	return pid
}

// eachHold runs a test once in each way to hold a worker that this user has here.
func eachHold(t *testing.T, test func(t *testing.T, namespace bool)) {
	settings := map[string]bool{talk.NamespacesOff: false}
	if os.Geteuid() == 0 {
		settings["on"] = true
	}
	for setting, namespace := range settings {
		t.Run(setting, func(t *testing.T) {
			t.Setenv(talk.NamespaceVariable, setting)
			test(t, namespace)
		})
	}
}

// Whoever is killed, nothing is left.
func TestNothingIsLeftWhenKilled(t *testing.T) {
	for name, c := range map[string]struct {
		victims       func(family) []int
		status        string // empty: lost
		told          bool   // where it is lost: the agent may have told of it before its own end
		namespaceOnly bool
	}{
		"agent":                  {victims: func(f family) []int { return []int{f.agent} }},
		"init":                   {victims: func(f family) []int { return []int{f.init} }, status: "SIGKILL"},
		"worker":                 {victims: func(f family) []int { return []int{f.worker} }, status: "SIGKILL"},
		"agent and worker":       {victims: func(f family) []int { return []int{f.agent, f.worker} }},
		"worker and agent":       {victims: func(f family) []int { return []int{f.worker, f.agent} }, told: true},
		"init and worker":        {victims: func(f family) []int { return []int{f.init, f.worker} }, status: "SIGKILL"},
		"agent, worker and init": {victims: func(f family) []int { return []int{f.agent, f.worker, f.init} }, namespaceOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			eachHold(t, func(t *testing.T, namespace bool) {
				if c.namespaceOnly && !namespace {
					return
				}
				p, f := startFamily(t, Config{})
				for _, pid := range c.victims(f) {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may have gone with the one before
				}
				exit := await(t, p)
				require.Equal(t, c.status == "", exit.Lost || c.told && exit.Signal == "SIGKILL", "%v", exit)
				if c.status != "" {
					require.Equal(t, c.status, exit.Signal)
					require.Zero(t, exit.Left)
				}
				gone(t, patience, f.worker, f.init, f.agent, f.child, f.grandchild)
				require.NoDirExists(t, f.dir)
			})
		})
	}
}

// An agent that is stopped goes the way of all others: its silence is enough.
func TestNothingIsLeftWhenTheAgentIsStopped(t *testing.T) {
	eachHold(t, func(t *testing.T, _ bool) {
		p, f := startFamily(t, Config{Lease: shortLease})
		require.NoError(t, syscall.Kill(f.agent, syscall.SIGSTOP))
		require.True(t, await(t, p).Lost)
		gone(t, patience, f.worker, f.init, f.child, f.grandchild, f.agent)
		require.NoDirExists(t, f.dir)
	})
}

// A worker that is stopped is killed like any other.
func TestNothingIsLeftWhenTheWorkerIsStopped(t *testing.T) {
	eachHold(t, func(t *testing.T, _ bool) {
		p, f := startFamily(t, Config{})
		require.NoError(t, syscall.Kill(f.worker, syscall.SIGSTOP))
		p.Terminate(time.Second)
		require.Equal(t, "SIGKILL", await(t, p).Signal)
		gone(t, patience, f.worker, f.init, f.agent, f.child, f.grandchild)
	})
}

// The worker's end is told as it was, and its own numbers are good in it.
func TestWorkerInItsHold(t *testing.T) {
	eachHold(t, func(t *testing.T, namespace bool) {
		p, j := launchLocal(t, Config{}, "self")
		succeeds(t, p)
		f := j.await(t, "self")
		require.Equal(t, f[1], f[2], "/proc/self is the worker as it sees itself")
		require.NotEqual(t, "1", f[1])
		require.NotEqual(t, strconv.Itoa(os.Getpid()), f[1])
		require.Equal(t, namespace, f[3] == "1", "the parent is process 1: %q", f)
		for _, orders := range []string{"exit 7", "kill-self", "term-self"} {
			p, _ := launchLocal(t, Config{}, orders)
			exit := await(t, p)
			require.Equal(t, map[string]int{"exit 7": 7, "kill-self": 137, "term-self": 143}[orders], exit.Code)
			require.Positive(t, exit.MaxRSS)
		}
	})
}

// What holds the processes is said.
func TestHoldIsTold(t *testing.T) {
	eachHold(t, func(t *testing.T, namespace bool) {
		p, _ := launchLocal(t, Config{}, "wait")
		want := "two subreapers and marks"
		if namespace {
			want = "PID namespace"
		}
		require.Equal(t, want, p.report.Held)
	})
}

// A worker that is stopped, and that nobody tells to stop, is found out: it does not answer.
func TestWorkerThatStopsAnswering(t *testing.T) {
	eachHold(t, func(t *testing.T, _ bool) {
		p, f := startFamily(t, Config{Lease: shortLease})
		require.NoError(t, syscall.Kill(f.worker, syscall.SIGSTOP))
		exit := await(t, p)
		require.Equal(t, "SIGKILL", exit.Signal)
		require.True(t, exit.Silent)
		require.Equal(t, "stopped answering, and was killed", exit.String())
		gone(t, patience, f.worker, f.init, f.agent, f.child, f.grandchild)
	})
}

// Who holds the worker's output and is none of its descendants, a service that was handed it for instance, keeps no agent alive.
func TestOutputThatAStrangerHolds(t *testing.T) {
	p, j := launchLocal(t, Config{}, "wait")
	worker, agent, _ := j.ids(t)
	held, err := os.OpenFile("/proc/"+strconv.Itoa(worker)+"/fd/1", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer held.Close()
	_, err = held.WriteString("from outside\n")
	require.NoError(t, err)
	p.Terminate(10 * time.Second)
	require.Equal(t, 3, await(t, p).Code)
	gone(t, patience, agent)
	require.Contains(t, j.texts(Stdout), "from outside")
	require.True(t, slices.ContainsFunc(j.texts(Stdout), func(s string) bool { return strings.HasPrefix(s, "cause:") }))
}
