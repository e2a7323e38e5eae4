package main

import (
	"crypto/rand"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// marked starts a process that a run might have left on this machine. It is waited for with the test.
func marked(t *testing.T, run string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	cmd.Env = append(cmd.Environ(), "TLAUNCH_MARK="+run+"/host1/1")
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return cmd
}

func TestCleanThisMachine(t *testing.T) {
	run := "cmd-" + rand.Text()
	left := marked(t, run, exec.Command("sleep", "1000"))
	var status int
	var stdout, stderr string
	require.Eventually(t, func() bool { // it has become sleep
		status, stdout, stderr = tlaunch("clean", "-run", run)
		return status == statusLeft
	}, patience, pause)
	require.Empty(t, stderr)
	require.Contains(t, stdout, run+"/host1/1")
	require.Contains(t, stdout, strconv.Itoa(left.Process.Pid))
	require.Contains(t, stdout, "sleep 1000")
	require.Contains(t, stdout, "1 host: 1 process and 0 folders left (-kill ends them)")

	status, stdout, stderr = tlaunch("clean", "-run", run, "-kill")
	require.Equal(t, statusClean, status, stdout)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "1 host: nothing is left, 1 ended")
	status, stdout, _ = tlaunch("clean", "-run", run)
	require.Equal(t, statusClean, status)
	require.Contains(t, stdout, "1 host: nothing is left")
}
