package tlaunch

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// filesIn are the texts of the files in a folder by name.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(b)
	}
	return files
}

func graphOfNodes(t *testing.T, hosts []string, fill func(p *Program)) (*graph, []Host) {
	t.Helper()
	g, err := graphOf(t, hostsOf(t, hosts...), fill)
	require.NoError(t, err)
	var list []Host
	for _, h := range hosts {
		list = append(list, Host{Name: h})
	}
	return g, list
}

func TestLogFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, list := graphOfNodes(t, []string{"10.0.0.1", "Fe80"}, func(p *Program) {
			Add(p, "worker", &hub{}, On("10.0.0.1"))
			Add(p, "worker", &hub{}, On("Fe80"), Named("Nabe\n"))
		})
		dir := filepath.Join(t.TempDir(), "new", "logs")
		at := time.Date(2026, 5, 1, 12, 30, 0, 5e6, time.UTC)
		for range 2 { // a second run adds to the files
			l, err := openLogs(dir, "run-1", g, list, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			l.add(Record{Host: "10.0.0.1", Stream: bootstrap.Stdout, Time: at, NodeSeq: 7, Text: "printed\x1b[2J"})
			l.add(Record{Host: "Fe80", Node: "Nabe\n", Stream: bootstrap.Log, Time: at, NodeSeq: 1, Level: slog.LevelWarn, Text: "said\nmore", Attrs: []bootstrap.Attr{{Key: "n", Value: "1"}}})
			l.add(Record{Host: "10.0.0.1", Node: "worker/0", Stream: bootstrap.Gap, Time: at, NodeSeq: 9, Level: slog.LevelWarn, Text: "9 lines missing"})
			l.add(Record{Host: "10.0.0.1", Node: "somebody", Stream: bootstrap.Log, Time: at, NodeSeq: 1, Text: "who"})
			l.add(Record{Host: "elsewhere", Stream: bootstrap.Agent, Time: at, Text: "where"})
			for _, f := range l.order {
				info, err := f.out.Stat()
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			}
			info, err := os.Stat(dir)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
			time.Sleep(flushEvery)
			synctest.Wait()
			require.Contains(t, filesIn(t, dir)["worker-0.log"], "9 lines missing", "written soon, and not only at the end")
			l.add(Record{Host: "10.0.0.1", Stream: bootstrap.Stderr, Time: at, NodeSeq: 8, Text: "the last"})
			l.close()
			l.close()
			l.add(Record{Host: "10.0.0.1", Text: "too late"})
		}
		head := func(who string) string {
			return "# " + who + " of run run-1, launched 2000-01-01T00:00:00Z\n"
		}
		once := map[string]string{
			"@10.0.0.1.log": head("host 10.0.0.1") + "2026-05-01T12:30:00.005Z 7 stdout printed\\x1b[2J\n" +
				"[somebody] 2026-05-01T12:30:00.005Z 1 log INFO  who\n2026-05-01T12:30:00.005Z 8 stderr the last\n",
			"@Fe80.log":     head("host Fe80"),
			"@launcher.log": head("the launcher") + "[] 2026-05-01T12:30:00.005Z 0 agent INFO  where\n",
			"worker-0.log":  head("node worker/0 on 10.0.0.1") + "2026-05-01T12:30:00.005Z 9 gap WARN  9 lines missing\n",
			"worker-1.log":  head(`node worker/1 (Nabe\x0a) on Fe80`) + "2026-05-01T12:30:00.005Z 1 log WARN  said\\x0amore n=1\n",
		}
		second := regexp.MustCompile(`2000-01-01T00:00:0\dZ`)
		for name, text := range filesIn(t, dir) {
			require.Equal(t, once[name]+once[name], second.ReplaceAllString(text, "2000-01-01T00:00:00Z"), name)
		}
		require.Len(t, filesIn(t, dir), len(once))
	})
}

func TestNamesOfLogFiles(t *testing.T) {
	taken := map[string]bool{}
	for _, c := range [][2]string{{"@a", "@a"}, {"@A", "@A~2"}, {"@a", "@a~3"}} {
		require.Equal(t, c[1], unique(taken, c[0]))
	}
}

func TestLogFilesThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	taken := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(taken, "hub-1.log"), 0o700))
	for _, dir := range []string{file, filepath.Join(file, "below"), taken} {
		for _, kind := range []Option{InProcess(nil), procs} {
			_, err := idleProgram.Launch(within(t), starConfig{}, kind, Logs(dir))
			require.ErrorAs(t, err, new(*UsageError))
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	g, list := graphOfNodes(t, []string{"a"}, func(p *Program) { Add(p, "hub", &hub{}, On("a")) })
	var said bytes.Buffer
	l, err := openLogs(t.TempDir(), "run-1", g, list, slog.New(slog.NewTextHandler(&said, nil)))
	require.NoError(t, err)
	require.NoError(t, l.order[0].out.Close())
	for range 100 {
		l.add(Record{Host: "a", Node: "hub/0", Text: strings.Repeat("x", 1000)})
	}
	l.close()
	require.Equal(t, 1, strings.Count(said.String(), "a log file is not complete"))
}

func TestLogsOfARun(t *testing.T) {
	for _, kind := range []string{"inproc", "procs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			status, out, errs := result(t, script(t, "star", "-launch", kind, "-quiet", "-logs", dir))
			require.Zero(t, status, errs)
			require.Contains(t, out, "stopped sum=3 tells=2", "they are printed, too")
			files := filesIn(t, dir)
			require.Regexp(t, `^# node hub/0 \(Nabe\) on host1 of run test-star-[0-9a-f]+, launched \S+Z\n\S+Z 1 log INFO  stopped sum=3 tells=2\n$`, files["hub-0.log"])
			want := []string{"hub-0.log", "spoke-0.log", "spoke-1.log", "@launcher.log"}
			if kind == "procs" {
				want = append(want, "@host1.log", "@host2.log", "@host3.log")
			}
			require.Len(t, files, len(want))
			for _, name := range want {
				require.Contains(t, files, name)
			}
		})
	}
}

func TestWindows(t *testing.T) {
	open := func(t *testing.T, fill func(p *Program)) ([]window, error) {
		t.Helper()
		g, list := graphOfNodes(t, []string{"a", "b"}, fill)
		l, err := openLogs(t.TempDir(), "run-1", g, list, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		l.close()
		return windowsOf(l)
	}
	t.Run("few", func(t *testing.T) {
		windows, err := open(t, func(p *Program) {
			Add(p, "hosts", &hub{}, On("a"), Named("hosts"))
			Add(p, "hub", &hub{}, On("a"), Named("Nabe"))
			Add(p, "hub", &hub{}, On("b"), Named("Nabe"))
			Add(p, "hub", &hub{}, On("b"))
		})
		require.NoError(t, err)
		var names []string
		for _, w := range windows {
			names = append(names, fmt.Sprint(w.name, " ", len(w.files)))
		}
		require.Equal(t, []string{"hosts~2 1", "Nabe 1", "Nabe~2 1", "hub/2 1", "hosts 3"}, names)
	})
	t.Run("many", func(t *testing.T) {
		windows, err := open(t, func(p *Program) {
			for i := range 200 {
				Add(p, []string{"even", "odd"}[i%2], &hub{}, On("a"))
			}
		})
		require.NoError(t, err)
		require.Len(t, windows, 3)
		require.Equal(t, "odd", windows[1].name)
		require.Len(t, windows[1].files, 100)
	})
	t.Run("too many", func(t *testing.T) {
		_, err := open(t, func(p *Program) {
			for i := range tmuxWindows + 1 {
				Add(p, fmt.Sprint("label", i), &hub{}, On("a"))
			}
		})
		require.ErrorAs(t, err, new(*UsageError))
	})
}

func TestWithoutTmux(t *testing.T) {
	fake := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(fake, "tmux"), []byte("#!/bin/sh\necho lost server\nexit 1\n"), 0o700))
	for path, want := range map[string]string{
		"/nonexistent":          "-terminal tmux: there is no tmux here",
		fake + ":/usr/bin:/bin": "-terminal tmux: exit status 1: lost server",
	} {
		temp := t.TempDir()
		cmd := script(t, "star", "-terminal", "tmux")
		cmd.Env = append(cmd.Env, "PATH="+path, "TMPDIR="+temp)
		status, out, errs := result(t, cmd)
		require.Equal(t, StatusUsage, status)
		require.Empty(t, out)
		require.Contains(t, errs, want)
		require.Empty(t, filesIn(t, temp))
	}
}
