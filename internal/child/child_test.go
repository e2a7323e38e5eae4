//go:build unix

package child

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// patience is how long a test waits for what should come at once, on a machine with other work to do.
const patience = 60 * time.Second

// shell starts a script; it is ended with the test.
func shell(t *testing.T, script string) (*Child, *output.Buffer, *output.Buffer) {
	t.Helper()
	out, errs := &output.Buffer{}, &output.Buffer{}
	mark := "CHILD_TEST=" + t.Name() + strconv.Itoa(os.Getpid())
	c, err := Start(Spec{
		Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=" + os.Getenv("PATH"), mark}, Marks: []string{mark},
		Dir: t.TempDir(), Stdout: out, Stderr: errs,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Kill()
		c.Wait()
	})
	return c, out, errs
}

// wait is Wait for a test that must not hang.
func wait(t *testing.T, c *Child) Status {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		require.Fail(t, "it has not ended")
	}
	return c.Wait()
}

func eventually(t *testing.T, what func() bool) {
	t.Helper()
	require.Eventually(t, what, patience, 2*time.Millisecond)
}

func TestStatus(t *testing.T) {
	for script, want := range map[string]Status{
		"exit 0":         {},
		"exit 7":         {Code: 7},
		"kill -9 $$":     {Code: 137, Signal: "SIGKILL"},
		"kill -TERM $$":  {Code: 143, Signal: "SIGTERM"},
		"read x || true": {}, // input is at its end
	} {
		t.Run(script, func(t *testing.T) {
			c, _, _ := shell(t, script)
			got := wait(t, c)
			require.Positive(t, got.MaxRSS)
			got.MaxRSS = 0
			require.Equal(t, want, got)
			c.Terminate() // too late, and harmless
			c.Kill()
		})
	}
}

func TestOutputArrivesToTheLastByte(t *testing.T) {
	c, out, errs := shell(t, `head -c 1000000 /dev/zero | tr '\0' x; printf 'last' >&2; kill -9 $$`)
	require.Equal(t, "SIGKILL", wait(t, c).Signal)
	require.Equal(t, strings.Repeat("x", 1000000), out.String())
	require.Equal(t, "last", errs.String())
}

func TestCannotStart(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	_, err := Start(Spec{Path: none, Stdout: &output.Buffer{}, Stderr: &output.Buffer{}})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Start(Spec{Path: "/bin/sh", Dir: none, Stdout: &output.Buffer{}, Stderr: &output.Buffer{}})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestEnvironmentIsAllThatIsGiven(t *testing.T) {
	t.Setenv("CHILD_TEST_SECRET", "seen")
	out := &output.Buffer{}
	env, err := exec.LookPath("env")
	require.NoError(t, err)
	c, err := Start(Spec{Path: env, Stdout: out, Stderr: &output.Buffer{}})
	require.NoError(t, err)
	require.Zero(t, wait(t, c).Code)
	require.Empty(t, out.String())
}

func TestTerminateReachesTheGroup(t *testing.T) {
	c, out, _ := shell(t, `trap 'echo bye; exit 3' TERM; sh -c 'trap "echo child; exit" TERM; echo ready; while :; do sleep 0.01; done' & wait; wait`)
	eventually(t, func() bool { return strings.Contains(out.String(), "ready") })
	c.Terminate()
	require.Equal(t, 3, wait(t, c).Code)
	require.Contains(t, out.String(), "bye")
}

// alive reports whether a process lives whose number the script has written to its output.
func alive(t *testing.T, text string) bool {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	require.NoError(t, err)
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return unix.Kill(pid, 0) == nil && os.Getenv("GOOS") != "linux"
	}
	return !strings.Contains(string(stat), ") Z ")
}

func TestKill(t *testing.T) {
	c, out, _ := shell(t, `trap '' TERM; echo $$; while :; do sleep 0.01; done`)
	eventually(t, func() bool { return out.String() != "" })
	c.Terminate()
	c.Kill()
	require.Equal(t, "SIGKILL", wait(t, c).Signal)
	require.False(t, alive(t, out.String()))
}

func TestSlowReadersSlowTheFamilyDown(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { close(release) }) })
	read := make(chan int, 1<<20)
	c, err := Start(Spec{Path: "/bin/sh", Args: []string{"-c", "head -c 300000 /dev/zero"}, Env: []string{"PATH=" + os.Getenv("PATH")},
		Stdout: writerFunc(func(p []byte) (int, error) {
			<-release
			read <- len(p)
			return len(p), nil
		}), Stderr: &output.Buffer{}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	select {
	case <-c.Done():
		require.Fail(t, "more than a pipe holds was written, and nobody has read it")
	case <-ctx.Done():
	}
	once.Do(func() { close(release) })
	wait(t, c)
	close(read)
	sum := 0
	for n := range read {
		sum += n
	}
	require.Equal(t, 300000, sum)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWriterThatFailsHoldsNobodyUp(t *testing.T) {
	c, err := Start(Spec{Path: "/bin/sh", Args: []string{"-c", "head -c 300000 /dev/zero; exit 4"}, Env: []string{"PATH=" + os.Getenv("PATH")},
		Stdout: writerFunc(func([]byte) (int, error) { return 0, os.ErrClosed }), Stderr: &output.Buffer{}})
	require.NoError(t, err)
	require.Equal(t, 4, wait(t, c).Code)
}
