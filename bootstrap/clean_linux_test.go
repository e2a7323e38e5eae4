package bootstrap

import (
	"context"
	"crypto/rand"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// orphan kills agent and init at once, as an init that is stopped cannot do its last duty, so that what the worker had started lives on.
func orphan(t *testing.T, p *Process, f family) {
	t.Helper()
	require.NoError(t, syscall.Kill(f.init, syscall.SIGSTOP))
	kill(t, f.agent)
	_ = syscall.Kill(f.init, syscall.SIGKILL) // it may have gone with its agent
	require.True(t, await(t, p).Lost)
	gone(t, patience, f.agent, f.init, f.worker)
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
	t.Setenv(talk.NamespaceVariable, talk.NamespacesOff)
	t.Setenv("TMPDIR", t.TempDir()) // agents of tests beside this one, which sweep where they work, are to leave the orphans to it
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
	me, err := user.Current()
	require.NoError(t, err)
	found := cleanLocal(t, CleanOptions{Run: run})
	require.Empty(t, found.Found, "the run goes on")
	require.ElementsMatch(t, []string{run, other}, marks(found))

	orphan(t, p, f)
	require.NoError(t, os.WriteFile(filepath.Join(os.TempDir(), "tlaunch-no"+talk.ClaimSuffix), []byte("not a claim\n"), 0o600))

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
			require.Equal(t, me.Username, l.User)
			require.Contains(t, l.Command, "sleep 1000")
			require.Less(t, l.Age, time.Minute)
			pids = append(pids, l.PID)
		}
		slices.Sort(pids)
		require.Equal(t, slices.Sorted(slices.Values([]int{f.child, f.grandchild})), pids)
		require.Equal(t, map[bool]int{false: 2, true: 0}[end], found.Own())
	}
	gone(t, patience, f.child, f.grandchild)
	require.Empty(t, cleanLocal(t, CleanOptions{Run: run}).Found)
	require.True(t, alive(beside.worker))
	require.True(t, alive(beside.grandchild))
}

// An agent removes what those before it have left beside it, and ends it, and touches nobody else.
func TestAgentsSweep(t *testing.T) {
	t.Setenv(talk.NamespaceVariable, talk.NamespacesOff)
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	run := "power-" + rand.Text()
	p, f := startFamily(t, Config{Run: run})
	claim, err := os.ReadFile(f.dir + talk.ClaimSuffix)
	require.NoError(t, err)
	orphan(t, p, f)
	dir := filepath.Join(base, "tlaunch-abandoned")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	require.NoError(t, os.Chmod(filepath.Join(dir, "a"), 0o500))
	require.NoError(t, os.WriteFile(dir+talk.ClaimSuffix, claim, 0o600))
	_, beside := startFamily(t, Config{Run: "beside-" + rand.Text()})
	gone(t, patience, f.child, f.grandchild)
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir + talk.ClaimSuffix)
		return os.IsNotExist(err)
	}, patience, 10*time.Millisecond)
	require.NoDirExists(t, dir)
	require.True(t, alive(beside.grandchild))
	require.DirExists(t, beside.dir)
}
