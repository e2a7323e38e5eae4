//go:build linux && hosts

package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// limited makes a memory cgroup of this many bytes, and an executable that enters it and becomes this test.
func limited(t *testing.T, bytes int) (script, group string) {
	t.Helper()
	name := fmt.Sprintf("tlaunch-test-%d", os.Getpid())
	var made string
	var problems []error
	for _, way := range []struct{ parent, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, // version 1
		{"/sys/fs/cgroup", "memory.max"},                   // version 2, where the root is the machine's own
	} {
		dir := filepath.Join(way.parent, name)
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			t.Cleanup(func() {
				require.Eventually(t, func() bool { return os.Remove(dir) == nil }, patience, 10*time.Millisecond) // its last process may be about to leave
			})
			err = os.WriteFile(filepath.Join(dir, way.limit), []byte(strconv.Itoa(bytes)), 0o644)
		}
		if err == nil {
			made = dir
			break
		}
		problems = append(problems, err)
	}
	require.NotEmpty(t, made, "this test needs a machine whose root may limit the memory of processes: %v", errors.Join(problems...))
	exe, err := os.Executable()
	require.NoError(t, err)
	script = filepath.Join(t.TempDir(), "limited")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho $$ >"+made+"/cgroup.procs || exit 1\nexec '"+exe+"' \"$@\"\n"), 0o755))
	return script, made
}

// charged is how much of a memory cgroup is in use, in bytes.
func charged(t *testing.T, group string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(group, "memory.usage_in_bytes"))
	if errors.Is(err, os.ErrNotExist) {
		text, err = os.ReadFile(filepath.Join(group, "memory.current")) // version 2
	}
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return n
}

// A worker that the kernel kills for want of memory is told apart from one that somebody kills.
func TestKilledForMemory(t *testing.T) {
	script, group := limited(t, 1<<30)
	p, j := launchLocal(t, Config{Binary: map[string]string{"": script}}, "eat")
	worker, agent, _ := j.ids(t)
	// A worker that was killed may be gone before its memory is, and then the kernel looks for another: those above it leave the cgroup, and count its kills as before.
	for _, pid := range []int{agent, parent(t, worker)} {
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(group), "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644))
	}
	conn, err := p.Dial(t.Context())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	exit := await(t, p)
	require.Equal(t, "SIGKILL", exit.Signal, "%v %v, after %q", exit, exit.Err, exit.Last)
	require.Equal(t, 137, exit.Code)
	require.True(t, exit.Memory)
	require.Equal(t, "killed for want of memory", exit.String())
	require.Greater(t, exit.MaxRSS, int64(256<<20))

	require.Eventually(t, func() bool { return charged(t, group) < 1<<29 }, patience, 10*time.Millisecond)
	p, j = launchLocal(t, Config{Binary: map[string]string{"": script}}, "wait")
	worker, _, _ = j.ids(t)
	require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
	exit = await(t, p)
	require.Equal(t, "SIGKILL", exit.Signal)
	require.False(t, exit.Memory, "the kill before was not of its time")
}
