package tlaunch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// A kill for want of memory is not just any SIGKILL, whether it took a process or a command.
func TestKilledForMemoryIsTold(t *testing.T) {
	exit := bootstrap.Exit{Code: 137, Signal: "SIGKILL", Memory: true}
	want := Ending{How: HowMemory, Status: 137, Signal: "SIGKILL", Reason: "killed for want of memory"}
	require.Equal(t, want, exitOf(exit))
	require.Equal(t, "out of memory", want.String())
	require.Equal(t, "the process on host2 was killed for want of memory", (&Cause{Host: "host2", Ending: want}).happening())

	failed := &CommandError{Node: "train/0", Code: 137, Signal: "SIGKILL", Memory: true}
	want.Phase = "run"
	require.Equal(t, want, endingOf(outcome{"train/0", "host2", "run", failed}, false))
	require.Equal(t, 137, ExitStatus(failed))
	require.Equal(t, blameDeath, nodeBlame(failed))

	want.How, want.Reason = HowSignal, "killed by SIGKILL"
	require.Equal(t, want, endingOf(outcome{"train/0", "host2", "run", &CommandError{Node: "train/0", Code: 137, Signal: "SIGKILL"}}, false))
}
