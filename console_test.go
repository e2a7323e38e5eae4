package tlaunch

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// clocked gives records a time of their own.
type clocked struct{ slog.Handler }

func (c clocked) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Date(2026, 5, 1, 14, 30, 0, 0, time.FixedZone("", 2*3600))
	return c.Handler.Handle(ctx, r)
}

func (c clocked) WithAttrs(a []slog.Attr) slog.Handler { return clocked{c.Handler.WithAttrs(a)} }
func (c clocked) WithGroup(n string) slog.Handler      { return clocked{c.Handler.WithGroup(n)} }

// talker logs in as many ways as there are.
type talker struct{ log *slog.Logger }

func (s *talker) Run(ctx context.Context) error {
	s.log.InfoContext(ctx, "plain")
	s.log.WarnContext(ctx, "attributes", "n", 1, "text", "two words", "none", "", "at", time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600)))
	s.log.With("before", true).WithGroup("g").With("a", 1).ErrorContext(ctx, "grouped", "b", 2, slog.Group("h", "c", 3), slog.Group("", "d", 4))
	s.log.WithGroup("").DebugContext(ctx, "not shown at this level")
	s.log.InfoContext(ctx, "harmful \x1b[2J\nsecond line", "\x07", "\u202e")
	s.log.Info("without a context")
	s.log.With("node", "other").Info("by hand", slog.Attr{})
	s.log.InfoContext(ctx, "a hidden one", "key", NewSecret("hunter2"))
	return nil
}

const talked = `
Röhre@host1 │ 12:30:00.000 INFO  plain
Röhre@host1 │ 12:30:00.000 WARN  attributes n=1 text="two words" none="" at=2026-01-01T00:00:00Z
Röhre@host1 │ 12:30:00.000 ERROR grouped before=true g.a=1 g.b=2 g.h.c=3 g.d=4
Röhre@host1 │ 12:30:00.000 INFO  harmful \x1b[2J \x07=\u202e
Röhre@host1 │ 12:30:00.000 INFO  second line
launcher    │ 12:30:00.000 INFO  without a context
other@launcher │ 12:30:00.000 INFO  by hand
Röhre@host1    │ 12:30:00.000 INFO  a hidden one key=(secret)
`

func TestConsole(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(clocked{newNodeHandler(newMainConsole(&out, false, slog.LevelInfo))})
	d := define(t, "talker", func(p *Program, _ int) error {
		Add(p, "talker", &talker{log}, Named("Röhre"))
		return nil
	})
	require.NoError(t, launched(t, d, 0).Wait(within(t)))
	require.Equal(t, strings.TrimPrefix(talked, "\n"), out.String())
	require.NotContains(t, out.String(), "\x1b")
}

// Log files have what hosts say at every level, so also what nodes in this process do; the console does not.
func TestLogFilesHaveEveryLevel(t *testing.T) {
	var out bytes.Buffer
	con := newMainConsole(&out, false, slog.LevelInfo)
	d := define(t, "talker", func(p *Program, _ int) error {
		Add(p, "talker", &talker{slog.New(newNodeHandler(con))})
		return nil
	})
	dir := t.TempDir()
	require.NoError(t, launched(t, d, 0, Logs(dir), through(con.tap)).Wait(within(t)))
	require.Contains(t, filesIn(t, dir)["talker-0.log"], " log DEBUG not shown at this level\n")
	require.NotContains(t, out.String(), "not shown at this level")
	require.False(t, con.Enabled(t.Context(), slog.LevelDebug), "the files are closed")
}

func TestConsoleInColour(t *testing.T) {
	var out bytes.Buffer
	newMainConsole(&out, true, slog.LevelInfo).record(Record{Host: "h", Stream: bootstrap.Stdout, Text: "x"})
	require.Contains(t, out.String(), "\x1b[38;5;")
}

func TestHostsThatComeUp(t *testing.T) {
	var out bytes.Buffer
	d := newUpDisplay(&out)
	for _, e := range []Progress{
		{Host: "a", Stage: bootstrap.StageConnecting},
		{Host: "a", Stage: bootstrap.StageConnected},
		{Host: "b", Stage: bootstrap.StageConnected},
		{Host: "a", Stage: bootstrap.StageShipping, Sent: 0, Total: 5 << 20},
		{Host: "a", Stage: bootstrap.StageShipping, Sent: 1 << 20, Total: 5 << 20},
		{Host: "a", Stage: bootstrap.StageStarted},
		{Host: "a", Stage: StageRegistered},
		{Host: "a", Stage: StageRunning},
	} {
		d.event(e)
	}
	require.Equal(t, "2 hosts, 2 connected, 1 started, 1 registered, 1 running, 1.0 MiB of 5.0 MiB shipped", d.text())
	fmt.Fprintln(d, "a line between")
	d.close()
	d.close()
	d.event(Progress{Host: "c", Stage: bootstrap.StageConnected})
	require.Regexp(t, `^a: connected
b: connected
a: shipping 5.0 MiB
a: started
a: registered
a line between
1 host is up after [^\n]+
$`, out.String())
}
