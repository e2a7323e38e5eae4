package bootstrap

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// orphan kills agent and init at once, as an init that is stopped cannot do its last duty, so that what the worker had started lives on.
func orphan(t *testing.T, p *Process, f family) {
	t.Helper()
	require.NoError(t, syscall.Kill(f.init, syscall.SIGSTOP))
	kill(t, f.agent)
	kill(t, f.init)
	require.True(t, await(t, p).Lost)
	gone(t, 5*time.Second, f.agent, f.init, f.worker)
	require.True(t, alive(f.child))
	require.True(t, alive(f.grandchild))
}

// cleanLocal looks for what a run has left on this machine.
func cleanLocal(t *testing.T, opts CleanOptions) Leftovers {
	t.Helper()
	l, err := NewLauncher(Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close(context.Background())) }()
	found, err := l.Clean(t.Context(), inventory.Local(1).Hosts[0], opts)
	require.NoError(t, err)
	return found
}

func TestCleanEndsOrphansAndNothingElse(t *testing.T) {
	t.Setenv(namespaceVariable, namespacesOff)
	run, other := "left-"+rand.Text(), "other-"+rand.Text()
	p, f := startFamily(t, Config{Run: run})
	_, beside := startFamily(t, Config{Run: other})
	marks := func(l Leftovers) (found []string) {
		for _, m := range l.Running {
			if strings.HasSuffix(m.Run, run) || m.Run == other {
				found = append(found, m.Run)
			}
		}
		return found
	}
	found := cleanLocal(t, CleanOptions{Run: run})
	require.Empty(t, found.Found, "the run goes on")
	require.ElementsMatch(t, []string{run, other}, marks(found))

	orphan(t, p, f)
	require.NoError(t, os.WriteFile(filepath.Join(os.TempDir(), "tlaunch-no"+claimSuffix), []byte("not a claim\n"), 0o600))
	t.Cleanup(func() { _ = os.Remove(filepath.Join(os.TempDir(), "tlaunch-no"+claimSuffix)) })

	for _, end := range []bool{false, true} {
		found = cleanLocal(t, CleanOptions{Run: run, End: end})
		require.Equal(t, []string{other}, marks(found))
		require.Len(t, found.Found, 2)
		var pids []int
		for _, l := range found.Found {
			require.Equal(t, Mark{Run: run, Host: "host1", Incarnation: 1}, l.Mark)
			require.Equal(t, end, l.Ended)
			require.False(t, l.Foreign)
			require.Empty(t, l.Problem)
			require.Equal(t, userName(os.Getuid()), l.User)
			require.Contains(t, l.Command, "sleep 1000")
			require.Less(t, l.Age, time.Minute)
			pids = append(pids, l.PID)
		}
		slices.Sort(pids)
		require.Equal(t, slices.Sorted(slices.Values([]int{f.child, f.grandchild})), pids)
		require.Equal(t, map[bool]int{false: 2, true: 0}[end], found.Own())
	}
	gone(t, time.Second, f.child, f.grandchild)
	require.Empty(t, cleanLocal(t, CleanOptions{Run: run}).Found)
	require.True(t, alive(beside.worker))
	require.True(t, alive(beside.grandchild))
}

// abandoned makes a work folder whose agent is gone.
func abandoned(t *testing.T, base, mark string) string {
	t.Helper()
	c, err := newClaim(base, "tlaunch-", mark)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(c.dir, "a", "b"), 0o700))
	require.NoError(t, os.Chmod(filepath.Join(c.dir, "a"), 0o500))
	require.NoError(t, c.file.Close())
	return c.dir
}

func TestCleanRemovesFolders(t *testing.T) {
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	dead, empty := abandoned(t, base, "a/b/1"), abandoned(t, base, "c/d/1")
	living, err := newClaim(base, "tlaunch-", "e/f/1")
	require.NoError(t, err)
	elsewhere, err := newClaim(base, "tlaunch-", "g/h/1")
	require.NoError(t, err)
	_, err = elsewhere.file.WriteAt([]byte(claimHeader+"\ng/h/1\nanother machine\n"), 0)
	require.NoError(t, err)
	require.NoError(t, elsewhere.file.Truncate(int64(len(claimHeader+"\ng/h/1\nanother machine\n"))))
	require.NoError(t, elsewhere.file.Close())
	require.NoError(t, os.Truncate(empty+claimSuffix, 0))
	link := filepath.Join(base, "tlaunch-link"+claimSuffix)
	require.NoError(t, os.Symlink(dead+claimSuffix, link))

	paths := func(l Leftovers) (found []string) {
		for _, f := range l.Found {
			if strings.HasPrefix(f.Path, base) {
				found = append(found, f.Path)
			}
		}
		return found
	}
	found := cleanLocal(t, CleanOptions{})
	require.Equal(t, []string{dead}, paths(found), "an empty claim may be about to be written")
	require.Contains(t, found.Running, NewMark("e", "f", 1))
	long := time.Now().Add(-2 * emptyClaimAge)
	require.NoError(t, os.Chtimes(empty+claimSuffix, long, long))
	found = cleanLocal(t, CleanOptions{})
	require.ElementsMatch(t, []string{dead, empty}, paths(found))

	report := cleanHere([]string{base}, cleanOrders{End: true, Run: "a"})
	require.Len(t, report.Found, 1)
	require.True(t, report.Found[0].Ended)
	require.NoDirExists(t, dead)
	require.NoFileExists(t, dead+claimSuffix)
	require.DirExists(t, empty)
	require.DirExists(t, living.dir)
	require.DirExists(t, elsewhere.dir)
	living.release()
}

// An agent removes what those before it have left beside it, and ends it, and touches nobody else.
func TestAgentsSweep(t *testing.T) {
	t.Setenv(namespaceVariable, namespacesOff)
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	run := "power-" + rand.Text()
	p, f := startFamily(t, Config{Run: run})
	orphan(t, p, f)
	dir := abandoned(t, base, NewMark(run, "host1", 1).String())
	_, beside := startFamily(t, Config{Run: "beside-" + rand.Text()})
	gone(t, 20*time.Second, f.child, f.grandchild)
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir + claimSuffix)
		return os.IsNotExist(err)
	}, 20*time.Second, 10*time.Millisecond)
	require.NoDirExists(t, dir)
	require.True(t, alive(beside.grandchild))
	require.DirExists(t, beside.dir)
}

// A process that has another's number by now is not signalled.
func TestSignalsReachWhomTheyAreMeantFor(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.Env = []string{markVariable + "=pid/reuse/1"}
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}()
	var found marked
	require.Eventually(t, func() (ok bool) { // it has become sleep
		found, ok = readMarked(cmd.Process.Pid, sinceBoot())
		return ok
	}, 5*time.Second, time.Millisecond)
	require.Less(t, found.age, time.Minute)
	changed := found
	changed.start++
	require.NoError(t, changed.signal(syscall.SIGKILL))
	changed = found
	changed.mark.Run = "another"
	require.NoError(t, changed.signal(syscall.SIGKILL))
	require.True(t, alive(found.pid))
	require.NoError(t, found.signal(syscall.SIGKILL))
	gone(t, 5*time.Second, found.pid)
	require.NoError(t, found.signal(syscall.SIGKILL), "who is gone needs no signal")
}

func TestLiving(t *testing.T) {
	m := NewMark("r", "h", 1)
	for name, c := range map[string]struct {
		all  []marked
		want bool
	}{
		"agent":                       {[]marked{{role: "agent"}}, true},
		"agent and all":               {[]marked{{role: "agent"}, {role: "init/reaper/1/1/worker"}, {role: "worker"}, {}}, true},
		"worker alone":                {[]marked{{role: "worker"}}, false},
		"orphan alone":                {[]marked{{}}, false},
		"giver before its agent":      {[]marked{{role: "giver"}}, true},
		"inside of the namespace":     {[]marked{{role: "init/namespace/1/1/worker"}, {role: "worker"}}, true},
		"another role that starts so": {[]marked{{role: "initial"}}, false},
	} {
		for i := range c.all {
			c.all[i].mark = m
		}
		require.Equal(t, c.want, living(c.all)[m], name)
	}
}

func FuzzParseEnviron(f *testing.F) {
	f.Add([]byte("A=b\x00TLAUNCH_HOST=agent\x00TLAUNCH_MARK=r/h/1\x00"))
	f.Add([]byte("TLAUNCH_MARK=\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, environ []byte) {
		mark, _, ok := parseEnviron(environ)
		if _, valid := ParseMark(mark.String()); ok && !valid {
			t.Fatal("a mark that is none", mark)
		}
	})
}
