package agent

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// However long a worker runs, its executable is never old enough to make room for others.
func TestExecutableStaysInUse(t *testing.T) {
	cache := t.TempDir()
	exe := filepath.Join(cache, "0123abcd")
	require.NoError(t, os.WriteFile(exe, nil, 0o700))
	synctest.Test(t, func(t *testing.T) {
		a := &agent{exe: exe, exited: make(chan struct{}), orders: talk.AgentOrders{Bases: []string{filepath.Join(cache, "runs"), ""}}}
		a.noteUse()
		over := make(chan struct{})
		go func() {
			defer close(over)
			a.keepNoting()
		}()
		for range 10 {
			time.Sleep(time.Hour)
			synctest.Wait()
			info, err := os.Stat(exe)
			require.NoError(t, err)
			require.Less(t, time.Since(info.ModTime()), time.Hour/2)
		}
		close(a.exited)
		<-over
	})
}
