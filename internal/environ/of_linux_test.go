package environ

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// start starts a process that lasts until the test ends.
func start(t *testing.T, env []string, path string, args ...string) int {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = env
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	return cmd.Process.Pid
}

// A process that becomes another program again and again is never taken for one without an environment.
func TestProcessThatBecomesAnother(t *testing.T) {
	const again = `exec /bin/sh -c "$0" "$0"`
	pid := start(t, []string{"MARK=here"}, "/bin/sh", "-c", again, again)
	for range 2000 {
		require.True(t, bytes.Contains(Of(pid), []byte("MARK=here\x00")))
	}
}

// When the machine stands still while a process becomes another, that process has had no time for it; one that never settles is given up.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		require.Equal(t, []byte("MARK=here"), settle(func() ([]byte, bool) {
			if looks++; looks == 1 {
				time.Sleep(2 * settling)
				return nil, false
			}
			return []byte("MARK=here"), true
		}))
		begin := time.Now()
		require.Empty(t, settle(func() ([]byte, bool) { return nil, false }))
		require.GreaterOrEqual(t, time.Since(begin), settling)
	})
}

func TestProcessesWithoutAnEnvironment(t *testing.T) {
	none := start(t, []string{}, "/bin/sleep", "1000")
	ended := exec.Command("/bin/true")
	require.NoError(t, ended.Start())
	for name, pid := range map[string]int{"started with none": none, "ended, and not waited for": ended.Process.Pid} {
		require.Eventually(t, func() bool { // it has become what it is to be
			env, settled := look(pid)
			return settled && len(env) == 0
		}, time.Minute, time.Millisecond, name)
	}
	require.NoError(t, ended.Wait())
	require.Empty(t, Of(ended.Process.Pid))
}

func TestHasNone(t *testing.T) {
	stat := func(state, flags, code, start, end string) []byte {
		zeros := func(n int) []string { return strings.Fields(strings.Repeat("0 ", n)) }
		fields := slices.Concat([]string{"12", "(a) (b", "c)", state, "1", "1", "1", "0", "-1", flags}, zeros(16), []string{code}, zeros(23), []string{start, end, "0\n"})
		return []byte(strings.Join(fields, " "))
	}
	own, err := os.ReadFile("/proc/self/stat")
	require.NoError(t, err)
	require.False(t, hasNone(own), "it has one")
	for name, c := range map[string]struct {
		stat []byte
		want bool
	}{
		"becomes another":     {stat("R", "4194304", "0", "0", "0"), false},
		"nearly is another":   {stat("R", "4194304", "0", "100", "100"), false},
		"has become another":  {stat("R", "4194304", "50", "100", "200"), false},
		"was started without": {stat("S", "4194304", "50", "100", "100"), true},
		"zombie":              {stat("Z", "4194304", "0", "0", "0"), true},
		"ending":              {stat("R", "4194308", "0", "0", "0"), true},
		"kernel's":            {stat("S", "2129984", "0", "0", "0"), true},
		"of an old kernel":    {[]byte("12 (a) R 1"), true},
		"nothing":             {nil, true},
	} {
		require.Equal(t, c.want, hasNone(c.stat), name)
	}
	require.True(t, strings.HasPrefix(string(own), strconv.Itoa(os.Getpid())))
}
