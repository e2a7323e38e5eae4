//go:build linux && hosts

package clustertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// runScript are the flags of a program whose commands are a script.
func (c *site) runScript(script string, flags ...string) []string {
	return append(append([]string{"commands", "-arg", "-c", "-arg", script}, c.ssh()...), flags...)
}

// Two commands on two hosts find each other by their environment and form a group of torch.distributed.
func TestCommandsFormAGlooGroup(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	l := start(t, nil, testprog(t), append([]string{"commands", "-path", "/usr/bin/python3", "-arg", "allreduce.py", "-files", "testdata/gloo"}, c.ssh()...)...)
	r := l.waitWithin(3 * runPatience) // the first import of torch reads some hundred MB
	require.Zero(t, r.status)
	for i, h := range c.Hosts {
		require.Contains(t, r.out, fmt.Sprintf("peer/%d@%s", i, h.Name))
		require.Contains(t, r.out, fmt.Sprintf("rank=%d size=2 equal=True last=%d", i, 99999*3))
	}
	require.Equal(t, 2, strings.Count(r.out, fmt.Sprintf("group %s,%s master %s", c.Hosts[0].IP, c.Hosts[1].IP, c.Hosts[0].IP)))
	c.requireClean(t)
}

func TestCommandsEnd(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	const on2 = `[ "$RANK" = 1 ] || exec sleep 1000; `
	for name, e := range map[string]struct {
		script string
		status int
		want   []string
	}{
		"all well":        {"echo done $RANK", 0, []string{"done 0", "done 1", "done 2"}},
		"an exit status":  {on2 + "echo so it goes >&2; exit 7", 7, []string{"peer/1", "host2", "exit status 7", "so it goes"}},
		"a signal":        {on2 + "printf 'last words'; kill -9 $$", 137, []string{"peer/1", "host2", "killed by SIGKILL", "last words"}},
		"it leaves a son": {on2 + "(setsid sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' &); exit 3", 3, []string{"exit status 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := launch(t, nil, testprog(t), c.runScript(e.script)...)
			require.Equal(t, e.status, r.status)
			for _, s := range e.want {
				require.Contains(t, r.out, s)
			}
			c.requireClean(t)
		})
	}
}

// What forks twice, leads a session of its own and ignores SIGTERM ends with the run, and with its launcher.
func TestCommandsThatDoNotWantToEnd(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	const script = `trap "" TERM; (setsid sh -c 'trap "" TERM; echo son; while :; do sleep 0.1; done' &); while :; do sleep 0.1; done`
	for name, e := range map[string]struct {
		signal syscall.Signal
		status int
	}{"Ctrl-C": {syscall.SIGINT, 130}, "the launcher is killed": {syscall.SIGKILL, 137}} {
		t.Run(name, func(t *testing.T) {
			l := start(t, nil, testprog(t), c.runScript(script, "-notice", "1s")...)
			l.await("son", "son")
			l.signal(e.signal)
			require.Equal(t, e.status, l.wait().status)
			c.requireCleanWithin(t, allGone)
		})
	}
}

// An executable that one host lacks is named with its host, and none runs.
func TestCommandMissingOnOneHost(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	marker := filepath.Join(t.TempDir(), "started") // hosts share the file system of this machine
	r := launch(t, nil, testprog(t), c.runScript("touch "+marker, "-odd", "no-such-command")...)
	require.Equal(t, 3, r.status)
	require.Contains(t, r.out, `host host2: find the commands: node peer/1: there is no executable "no-such-command" in its PATH`)
	require.Contains(t, r.out, "install it there")
	require.NotContains(t, r.out, "host1: find")
	require.NoFileExists(t, marker)
	c.requireClean(t)
}

// Files are brought to each host that needs them, and cached there by content.
func TestFilesOfCommands(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	dir := t.TempDir()
	for name, text := range map[string]string{"bin/tool": "#!/bin/sh\necho tool $RANK at $PWD; ls -A", ".venv/x": "", "skip.log": "", ".tlaunchignore": "*.log\n"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	require.NoError(t, os.Symlink("bin/tool", filepath.Join(dir, "link")))
	for range 2 {
		r := launch(t, nil, testprog(t), append([]string{"commands", "-path", "./link", "-files", dir}, c.ssh()...)...)
		require.Zero(t, r.status)
		require.Equal(t, 2, strings.Count(r.out, "/files/0\n"))
		require.Equal(t, 2, strings.Count(r.out, "│ bin\n"))
		require.NotContains(t, r.out, "│ .venv")
		require.NotContains(t, r.out, "│ skip.log")
		c.requireClean(t)
	}
}
