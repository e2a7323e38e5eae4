//go:build linux && hosts

package clustertest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// allGone is how long after the launcher's silence began nothing is left of a run: lease, notice and a second. With the race
// detector, several processes for each host of a small machine, that second's work takes longer.
var allGone = func() time.Duration {
	if raceEnabled {
		return 20 * time.Second
	}
	return 9 * time.Second
}()

func TestEnds(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	for _, e := range []struct {
		how       string
		flags     []string
		status    int
		want, not []string
	}{
		{how: "return", want: []string{"given notice"}},
		{how: "stop", want: []string{"given notice"}},
		{how: "stop", flags: []string{"-notice", "0"}, not: []string{"given notice"}},
		{how: "stop", flags: []string{"-notice", "-1s"}, want: []string{"given notice"}},
		{how: "fail", status: 1, want: []string{"victim/0", "host2", "the well is dry", "given notice"}, not: []string{"goroutine "}},
		{how: "start", status: 1, want: []string{"victim/0", "host2", "(start)", "no port for the engine"}},
		{how: "panic", status: 1, want: []string{"victim/0", "host2", "assignment to entry in nil map", "fate.go:"}},
		{how: "exit", status: 7, want: []string{"host2", "exit status 7", "leaving by the back door", "given notice"}},
		{how: "kill", status: 137, want: []string{"host2", "killed by SIGKILL", "went down with it: victim/0", "given notice"}},
	} {
		t.Run(e.how+strings.Join(e.flags, ""), func(t *testing.T) {
			r := launch(t, nil, testprog(t), append(append([]string{"fate", "-how", e.how}, c.ssh()...), e.flags...)...)
			require.Equal(t, e.status, r.status)
			for _, s := range e.want {
				require.Contains(t, r.out, s)
			}
			for _, s := range e.not {
				require.NotContains(t, r.out, s)
			}
			c.requireClean(t)
		})
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	for name, s := range map[string]struct {
		signal  syscall.Signal
		how     string
		notice  string
		again   bool
		status  int
		noticed bool
	}{
		"Ctrl-C":                   {syscall.SIGINT, "wait", "10s", false, 130, true},
		"SIGTERM":                  {syscall.SIGTERM, "wait", "10s", false, 143, true},
		"SIGHUP":                   {syscall.SIGHUP, "wait", "10s", false, 129, true},
		"a deaf node is killed":    {syscall.SIGTERM, "deaf", "1s", false, 143, true},
		"the second Ctrl-C kills":  {syscall.SIGINT, "deaf", "-1s", true, 130, true},
		"no notice":                {syscall.SIGINT, "deaf", "0", false, 130, false},
		"its children end with it": {syscall.SIGTERM, "child", "10s", false, 143, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, nil, testprog(t), append(append([]string{"fate"}, c.ssh()...), "-how", s.how, "-notice", s.notice)...)
			l.await("fate how="+s.how, "standing by", "standing by")
			if s.how == "child" {
				l.await("child started")
			}
			require.NotEmpty(t, c.left(), "what requireClean would see")
			l.signal(s.signal)
			if s.again {
				l.await("again to kill", "given notice", "given notice")
				l.signalUntil(s.signal, "killing")
			}
			r := l.wait()
			require.Equal(t, s.status, r.status)
			require.Equal(t, s.noticed, strings.Contains(r.out, "given notice"))
			c.requireClean(t)
		})
	}
}

// A signal while hosts come up undoes what was started so far, and so does the death of the launcher.
func TestSignalsDuringTheLaunch(t *testing.T) {
	t.Parallel()
	c := upCold(t, 3)
	for _, s := range []struct {
		stage  string
		signal syscall.Signal
		status int
	}{
		{"host1: shipping", syscall.SIGKILL, 137},
		{"host2: shipping", syscall.SIGINT, 130},
		{"host2: connected", syscall.SIGINT, 130},
		{"host3: started", syscall.SIGINT, 130},
		{"host3: started", syscall.SIGKILL, 137},
		{"host1: registered", syscall.SIGINT, 130},
	} {
		t.Run(s.stage+"/"+s.signal.String(), func(t *testing.T) {
			if strings.HasSuffix(s.stage, "shipping") { // which the launch before may have done
				for _, h := range c.Hosts {
					require.NoError(t, os.RemoveAll(filepath.Join(h.Home, ".cache/tlaunch")))
				}
			}
			l := start(t, nil, testprog(t), append([]string{"fate", "-how", "wait"}, c.ssh()...)...)
			l.await(s.stage)
			l.signal(s.signal)
			require.Equal(t, s.status, l.wait().status)
			c.requireCleanWithin(t, allGone)
		})
	}
}

func TestLauncherKilled(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	for _, how := range []string{"deaf", "child"} {
		t.Run(how, func(t *testing.T) {
			l := start(t, nil, testprog(t), append([]string{"fate", "-how", how}, c.ssh()...)...)
			l.await("fate how="+how, "standing by", "standing by")
			if how == "child" {
				l.await("child started")
			}
			for _, h := range c.Hosts {
				require.NotEmpty(t, h.Processes())
				require.NotEmpty(t, workFolders(h))
			}
			l.signal(syscall.SIGKILL)
			l.wait()
			c.requireCleanWithin(t, allGone)
		})
	}
}

// A cable is pulled: the host cleans up by itself, the launcher ends the others and says what happened.
func TestLinkCut(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	l := start(t, nil, testprog(t), append([]string{"fate", "-how", "child"}, c.ssh()...)...)
	l.await("child started", "standing by", "standing by")
	cut := c.Hosts[1]
	cut.Cut()
	require.NotEmpty(t, ofRun(cut))
	eventually(t, allGone, func() (found []string) { // sshd waits for its client until the kernel gives up
		for _, p := range ofRun(cut) {
			found = append(found, strings.Join(p.Args, " "))
		}
		return append(found, workFolders(cut)...)
	})
	r := l.wait()
	require.Equal(t, 1, r.status)
	require.Contains(t, r.out, "host2")
	require.Contains(t, r.out, "no status")
	cut.Heal()
	cut.KillAll() // the sshd session
	c.requireClean(t)
}
