//go:build linux && hosts

package tlaunch

import (
	"log/slog"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tmuxServer is a tmux server of the test's own: the environment for its clients, and a client.
func tmuxServer(t *testing.T) (variable string, client func(args ...string) string) {
	t.Helper()
	variable = "TMUX_TMPDIR=" + t.TempDir()
	client = func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "tmux", args...)
		cmd.Env = append(cmd.Environ(), variable, "TMUX=")
		out, _ := cmd.CombinedOutput() // where there is no server it says so
		return string(out)
	}
	t.Cleanup(func() {
		cmd := exec.Command("tmux", "kill-server")
		cmd.Env = append(cmd.Environ(), variable, "TMUX=")
		_ = cmd.Run() // it may have ended with its last session
	})
	return variable, client
}

func TestTmux(t *testing.T) {
	for _, kind := range []string{"inproc", "procs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			variable, client := tmuxServer(t)
			dir := t.TempDir()
			cmd := script(t, "trouble", "-launch", kind, "-quiet", "-terminal", "tmux", "-logs", dir, "-run", "chat-fail")
			cmd.Env = append(cmd.Env, variable, "TMUX=")
			status, out, errs := result(t, cmd)
			require.Equal(t, StatusFailed, status, errs)
			require.NotContains(t, out, "said", "it is in the session")
			found := regexp.MustCompile(`(?m)^to look at it: tmux attach -t (test-trouble-[0-9a-f]+)$`).FindStringSubmatch(errs)
			require.NotNil(t, found, errs)
			session := found[1]
			require.Contains(t, errs, "the tmux session stays: tmux attach -t "+session+"; tmux kill-session -t "+session+" ends it; the log files are in "+dir)
			require.Equal(t, "bystander/0\nbad/0\nhosts\n", client("list-windows", "-t", session, "-F", "#{window_name}"))
			require.Eventually(t, func() bool {
				return strings.Contains(client("capture-pane", "-p", "-t", session+":1"), "said n=1 g.k=v")
			}, patience, 20*time.Millisecond)
		})
	}
	t.Run("inside", func(t *testing.T) {
		t.Parallel()
		_, client := tmuxServer(t)
		client("new-session", "-d", "-s", "mine")
		within := strings.TrimSpace(client("display-message", "-p", "-t", "mine", "#{socket_path},#{pid},0"))
		cmd := script(t, "star", "-terminal", "tmux")
		cmd.Env = append(cmd.Env, "TMUX="+within, "TMPDIR="+t.TempDir())
		status, _, errs := result(t, cmd)
		require.Zero(t, status, errs)
		require.Regexp(t, `(?m)^to look at it: tmux switch-client -t test-star-`, errs)
		require.Contains(t, errs, "the tmux session stays", "nothing else has what was said")
		require.Contains(t, client("list-sessions"), "test-star-")
	})
	t.Run("a good end", func(t *testing.T) {
		t.Parallel()
		variable, client := tmuxServer(t)
		cmd := script(t, "star", "-terminal", "tmux", "-logs", t.TempDir())
		cmd.Env = append(cmd.Env, variable, "TMUX=")
		status, _, errs := result(t, cmd)
		require.Zero(t, status, errs)
		require.NotContains(t, errs, "stays")
		require.NotContains(t, client("list-sessions"), "test-star-")
	})
}

// What people call a node is no command, neither of a shell nor of tmux.
func TestTmuxNames(t *testing.T) {
	variable, client := tmuxServer(t)
	name, folder, _ := strings.Cut(variable, "=")
	t.Setenv(name, folder)
	t.Setenv("TMUX", "")
	names := []string{"first #(touch \"$TMUX_TMPDIR/run\")", "second #(touch \"$TMUX_TMPDIR/run\") #H", "third;", "#4"}
	g, hosts := graphOfNodes(t, []string{"a"}, func(p *Program) {
		for _, name := range names {
			Add(p, "hub", &hub{}, Named(name))
		}
	})
	l, err := openLogs(t.TempDir(), "run-1", g, hosts, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer l.close()
	m, err := newTmux(l.dir)
	require.NoError(t, err)
	require.NoError(t, m.open("run-1", l))
	require.Equal(t, strings.Join(append(names, "hosts"), "\n")+"\n", client("list-windows", "-t", "run-1", "-F", "#{window_name}"))
	require.NoFileExists(t, filepath.Join(folder, "run"))
}
