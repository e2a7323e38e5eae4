package bootstrap

import (
	"os"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/agent"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// Enter hands control over in a process that was started as part of a host. Call it first thing in main.
//
// In any other process it returns false at once: it starts nothing and touches nothing. As a worker it returns the guest, once its
// orders have come. Agents, and what [Launcher.Clean] starts, never come so far: an init function has taken over in them, mostly
// before those of the program.
func Enter() (*Guest, bool) {
	role, ok := os.LookupEnv(talk.Marker)
	if !ok {
		return nil, false
	}
	_ = os.Unsetenv(talk.Marker) // no child may take itself for a part of the host
	switch role {
	case talk.RoleGiver:
		os.Exit(agent.Mortal(runGiver))
	case talk.RoleWorker:
		guest, err := enterWorker()
		if err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(agent.ExitBroken)
		}
		return guest, true
	}
	_, _ = os.Stderr.WriteString("bootstrap: " + talk.Marker + " is set to something that no launcher sets; unset it\n")
	os.Exit(agent.ExitBroken)
	return nil, false
}
