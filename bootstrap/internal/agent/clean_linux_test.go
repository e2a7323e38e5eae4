package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

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
	require.NoError(t, os.Truncate(empty+talk.ClaimSuffix, 0))
	link := filepath.Join(base, "tlaunch-link"+talk.ClaimSuffix)
	require.NoError(t, os.Symlink(dead+talk.ClaimSuffix, link))

	paths := func(l talk.CleanReport) (found []string) {
		for _, f := range l.Found {
			if strings.HasPrefix(f.Path, base) {
				found = append(found, f.Path)
			}
		}
		return found
	}
	found := cleanHere(homeBases(), talk.CleanOrders{})
	require.Equal(t, []string{dead}, paths(found), "an empty claim may be about to be written")
	require.Contains(t, found.Running, talk.NewMark("e", "f", 1))
	long := time.Now().Add(-2 * emptyClaimAge)
	require.NoError(t, os.Chtimes(empty+talk.ClaimSuffix, long, long))
	found = cleanHere(homeBases(), talk.CleanOrders{})
	require.ElementsMatch(t, []string{dead, empty}, paths(found))

	report := cleanHere([]string{base}, talk.CleanOrders{End: true, Run: "a"})
	require.Len(t, report.Found, 1)
	require.True(t, report.Found[0].Ended)
	require.NoDirExists(t, dead)
	require.NoFileExists(t, dead+talk.ClaimSuffix)
	require.DirExists(t, empty)
	require.DirExists(t, living.dir)
	require.DirExists(t, elsewhere.dir)
	living.release()
}

// A process that has another's number by now is not signalled.
func TestSignalsReachWhomTheyAreMeantFor(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.Env = []string{talk.MarkVariable + "=pid/reuse/1"}
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it may have been waited for
	}()
	var found marked
	require.Eventually(t, func() (ok bool) { // it has become sleep
		found, ok = readMarked(cmd.Process.Pid, sinceBoot())
		return ok
	}, time.Minute, time.Millisecond)
	require.Less(t, found.age, time.Minute)
	changed := found
	changed.start++
	require.NoError(t, changed.signal(syscall.SIGKILL))
	changed = found
	changed.mark.Run = "another"
	require.NoError(t, changed.signal(syscall.SIGKILL))
	require.NoError(t, syscall.Kill(found.pid, 0), "it lives")
	require.NoError(t, found.signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait(), "it was killed")
	require.NoError(t, found.signal(syscall.SIGKILL), "who is gone needs no signal")
}

func TestLiving(t *testing.T) {
	m := talk.NewMark("r", "h", 1)
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
		if _, valid := talk.ParseMark(mark.String()); ok && !valid {
			t.Fatal("a mark that is none", mark)
		}
	})
}
