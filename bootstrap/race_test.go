//go:build race && unix

package bootstrap

import (
	"os"
	"syscall"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// Every agent and worker of a test is this binary again, and under the race detector each would sleep for a second before it exits.
// The detector reads its settings only once, before any of our code runs, so a host's process starts itself over with that turned off.
func init() {
	if _, host := os.LookupEnv(talk.Marker); !host {
		return
	}
	if _, again := os.LookupEnv("GORACE"); again {
		_ = os.Unsetenv("GORACE") // a host's environment is what a test looks at
		return
	}
	if exe, err := os.Executable(); err == nil {
		_ = syscall.Exec(exe, os.Args, append(os.Environ(), "GORACE=atexit_sleep_ms=0")) // where it fails the tests only take longer
	}
}
