//go:build linux && hosts

package clustertest

import (
	"cmp"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// seed makes a run of the fault tests again; 0 takes another each time.
var seed = flag.Uint64("seed", 0, "seed of the fault tests; 0 takes a new one, and says which")

// faulty is a run on four hosts to which something is done, and a second run beside it that must not notice.
type faulty struct {
	*site
	t      *testing.T
	rng    *rand.Rand
	target *hosts.Host // where it happens
	others []*hosts.Host
	run    *launcher
	beside *launcher
	spared map[int]bool // the processes of the run beside it
}

// fault is what is done, and how the run then ends.
type fault struct {
	how    string                 // what the victim node does, see programs.Fate
	flags  []string               // of the launch, besides
	apart  bool                   // the run beside it has nothing on the host where it happens
	before bool                   // it is done before the launch
	do     func(*faulty)          // done once the nodes run
	status int                    // of the launcher
	want   func(*faulty) []string // what it prints, words of one line each
	lasts  bool                   // the run survives
}

// TestFaults does to a run what happens to runs. Each ends as described, leaves nothing, and touches no other.
// `make faults COUNT=20` repeats them; a line of the log says how to have the same again.
func TestFaults(t *testing.T) {
	t.Parallel()
	host := func(f *faulty) []string { return []string{f.target.Name} }
	for name, f := range map[string]fault{
		"launcher killed": {how: "child", do: func(f *faulty) { f.run.signal(syscall.SIGKILL) }, status: 137},
		"sshd killed": {how: "child", apart: true, status: 1, want: host, do: func(f *faulty) {
			killSSHD(f.target)
		}},
		"link cut for a while": {how: "wait", flags: []string{"-lease", bridgedLease.String()}, apart: true, lasts: true, do: func(f *faulty) {
			f.target.Cut()
			<-time.After(outage)
			f.target.Heal()
		}},
		"link cut for good":    {how: "child", apart: true, status: 1, want: host, do: func(f *faulty) { f.target.Cut() }},
		"host process killed":  {how: "child", status: 137, want: host, do: func(f *faulty) { f.toWorker(syscall.SIGKILL) }},
		"host process stopped": {how: "child", status: 137, want: func(f *faulty) []string { return []string{f.target.Name, "stopped answering"} }, do: func(f *faulty) { f.toWorker(syscall.SIGSTOP) }},
		"agent stopped":        {how: "child", status: 1, want: host, do: func(f *faulty) { f.toAgent(syscall.SIGSTOP) }},
		"a command that forks twice and ignores SIGTERM": {how: "stubborn", status: 143, do: func(f *faulty) { f.run.signal(syscall.SIGTERM) }},
		"a node that panics": {how: "panic", status: 1, do: func(*faulty) {}, want: func(*faulty) []string {
			return []string{"victim/0", "host2", "assignment to entry in nil map"}
		}},
		"accepts and never answers": {how: "wait", apart: true, before: true, status: 3, do: func(f *faulty) {
			pid, err := strconv.Atoi(strings.TrimSpace(read(t, filepath.Join(f.root(), "ssh/pid"))))
			require.NoError(f.t, err)
			require.NoError(f.t, syscall.Kill(pid, syscall.SIGSTOP)) // the kernel accepts
		}, want: func(f *faulty) []string { return []string{"host " + f.target.Name + ": "} }},
		"a full disk": {how: "wait", apart: true, before: true, status: 3, do: func(f *faulty) {
			size := fmt.Sprintf("size=%dm", 1+f.rng.IntN(12))
			for _, dir := range []string{f.target.Home, "/var/tmp", "/tmp"} {
				out, err := f.target.Command("mount", "-t", "tmpfs", "-o", size, "tmpfs", dir).CombinedOutput()
				require.NoError(f.t, err, string(out))
			}
		}, want: func(f *faulty) []string { return []string{"host " + f.target.Name + ": ", "make room"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.strike(t, name)
		})
	}
}

func newFaulty(t *testing.T, name string, apart bool) *faulty {
	s := cmp.Or(*seed, rand.Uint64())
	h := fnv.New64a()
	h.Write([]byte(name))
	f := &faulty{t: t, rng: rand.New(rand.NewPCG(s, h.Sum64())), site: up(t, 4), spared: map[int]bool{}}
	t.Logf("again with: go test -tags hosts -run '%s' ./internal/clustertest -seed %d", t.Name(), s)
	i := f.rng.IntN(len(f.Hosts))
	f.target = f.Hosts[i]
	f.others = slices.Delete(slices.Clone(f.Hosts), i, i+1)
	beside := f.Hosts
	if apart {
		beside = f.others
	}
	var inventory strings.Builder
	for _, h := range beside {
		fmt.Fprintf(&inventory, "%s root@%s\n", h.Name, h.IP)
	}
	f.beside = start(t, nil, testprog(t), "pulse", "-launch", "ssh", "-hosts", write(t, "beside", inventory.String()), "-ssh-config", f.Config)
	f.beside.await("pulse begins")
	for _, h := range f.Hosts {
		for _, p := range h.Processes() {
			f.spared[p.PID] = true
		}
	}
	return f
}

func (fa fault) strike(t *testing.T, name string) {
	f := newFaulty(t, name, fa.apart)
	if fa.before {
		fa.do(f)
	}
	config := write(t, "config", strings.Replace(read(t, f.Config), "Host *\n", "Host *\n  ConnectTimeout 5\n", 1))
	f.run = start(t, nil, testprog(t), append([]string{"fate", "-how", fa.how, "-notice", "5s", "-launch", "ssh", "-hosts", f.inventory, "-ssh-config", config}, fa.flags...)...)
	struck := time.Now()
	if !fa.before {
		ready := []string{"fate how=" + fa.how, "standing by", "standing by", "standing by"}
		if fa.how == "child" || fa.how == "stubborn" {
			ready = append(ready, "child started")
		}
		f.run.await(ready...)
		<-time.After(time.Duration(f.rng.IntN(700)) * time.Millisecond) // the fault comes when it comes
		struck = time.Now()
		fa.do(f)
	}
	if fa.before {
		f.run.wait()
		struck = time.Now()
	}
	if fa.lasts {
		<-time.After(time.Duration(f.rng.IntN(1000)) * time.Millisecond)
		require.NotEmpty(t, f.left(f.target), "the run survives this")
		f.run.signal(syscall.SIGTERM)
		require.Equal(t, 143, f.run.wait().status)
		require.Equal(t, 3, strings.Count(f.run.out.String(), "given notice"), "what the hosts said at the end is complete")
		struck = time.Now()
	}
	late := struck.Add(allGone + time.Second)
	for _, h := range f.Hosts {
		eventually(t, max(time.Until(late), time.Second), func() []string { return f.left(h) })
	}
	if !fa.lasts {
		r := f.run.wait()
		require.Equal(t, fa.status, r.status)
		if fa.want != nil {
			line := lineWith(r.out, fa.want(f)...)
			require.NotEmpty(t, line, "a line with all of %q", fa.want(f))
		}
	}
	f.target.Heal()
	f.beside.signal(syscall.SIGTERM)
	r := f.beside.wait()
	require.Equal(t, 143, r.status, "the run beside it goes on until it is told to stop")
	require.Contains(t, r.out, "pulse ends")
}

// root is the folder of the target's own files.
func (f *faulty) root() string { return filepath.Dir(filepath.Dir(f.target.Home)) }

// left are the processes and work folders of the run on a host.
func (f *faulty) left(h *hosts.Host) (found []string) {
	for _, p := range f.ofRun(h) {
		found = append(found, h.Name+": "+described(p))
	}
	return found
}

func (f *faulty) ofRun(h *hosts.Host) []hosts.Process {
	return slices.DeleteFunc(ofRun(h), func(p hosts.Process) bool { return f.spared[p.PID] })
}

// toWorker sends a signal to the run's process on the target.
func (f *faulty) toWorker(s syscall.Signal) {
	f.t.Helper()
	require.NoError(f.t, syscall.Kill(workerOf(f.t, f.target, f.ofRun(f.target)).PID, s))
}

// toAgent sends a signal to the agent above that process and its init.
func (f *faulty) toAgent(s syscall.Signal) {
	f.t.Helper()
	all := f.ofRun(f.target)
	pid := workerOf(f.t, f.target, all).PID
	for range 2 {
		i := slices.IndexFunc(all, func(p hosts.Process) bool { return p.PID == pid })
		require.GreaterOrEqual(f.t, i, 0)
		pid = all[i].PPID
	}
	require.NoError(f.t, syscall.Kill(pid, s))
}
