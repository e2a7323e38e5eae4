//go:build linux && hosts

package clustertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The processes on an actor's host are killed while it learns: the host is started again, its actor acts again, and the learner, which has gone
// on with the others, reaches its goal. The goal is far enough for that and near enough for a test, which runs without the race
// detector for that; examples/rl/README.md says how to have the whole.
func TestActorsHostDiesWhileItLearns(t *testing.T) {
	t.Parallel()
	c := upCold(t, 4)
	l := start(t, nil, build(t, "examples/rl", false), append(c.ssh(), "-goal", "200")...)
	l.await("acting life=1", "acting life=1", "acting life=1", "progress ")
	killRun(t, c.Hosts[2])
	l.await("the process on host3 ended; starting it again in ", "acting life=2")
	r := l.waitWithin(6 * time.Minute)
	require.Zero(t, r.status)
	require.Contains(t, r.out, "solved task=cartpole")
	c.requireCleanWithin(t, allGone)
}
