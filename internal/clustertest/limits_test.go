//go:build linux && hosts

package clustertest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLimitsOnHosts(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	r := launch(t, nil, testprog(t), c.runScript(`grep -E "Max (open files|core file size)" /proc/self/limits; echo procs $GOMAXPROCS`, "-limit", "files=321", "-limit", "procs=1")...)
	require.Zero(t, r.status)
	lines := strings.Fields(r.out)
	text := strings.Join(lines, " ")
	require.Equal(t, 2, strings.Count(text, "Max open files 321 321"))
	require.Equal(t, 2, strings.Count(text, "Max core file size 0"))
	require.Equal(t, 2, strings.Count(text, "procs 1"))
	c.requireClean(t)
}

// A process that wants more memory than it may have ends, is the first cause, and takes nobody else along. The race
// detector reserves more than any limit, so this is a build without it.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	c := upCold(t, 2)
	r := launch(t, nil, build(t, "internal/clustertest/testprog", false), append([]string{"greed", "-limit", "memory=512MiB"}, c.ssh()...)...)
	require.Equal(t, 2, r.status)
	require.Contains(t, r.out, "first cause: the process on host2 ended with exit status 2")
	require.Regexp(t, "out of memory|cannot allocate memory", r.out) // what Go says depends on what it wanted the memory for
	c.requireClean(t)
}
