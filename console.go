package tlaunch

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// mainConsole prints what hosts and nodes say: records of hosts' processes,
// and what is logged in this one, in the same form.
type mainConsole struct {
	console *bootstrap.Console
	level   slog.Level
	tap     *tap           // of what is logged in this process
	others  []func(Record) // who is told what is logged in this process, beside tap
	only    string         // the host whose records are printed; empty: all
	node    string
	attrs   []bootstrap.Attr
	prefix  string
}

func newMainConsole(w io.Writer, color bool, level slog.Level) *mainConsole {
	return &mainConsole{console: bootstrap.NewConsole(w, bootstrap.ConsoleOptions{Color: color, Level: level}), level: level, tap: newTap()}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (c *mainConsole) record(r Record) {
	if c.only != "" && r.Host != c.only {
		return
	}
	_ = c.console.Print(r) // a terminal that is gone ends the process by SIGHUP or SIGPIPE
}

// Enabled is true for every level where somebody wants them all, as all that hosts say is sent: log files too.
func (c *mainConsole) Enabled(_ context.Context, l slog.Level) bool {
	return l >= c.level || len(c.others) > 0 || c.tap.files.Load() != nil
}

func (c *mainConsole) Handle(ctx context.Context, r slog.Record) error {
	out := Record{Host: "launcher", Time: r.Time.UTC(), Stream: bootstrap.Log, Level: r.Level, Text: r.Message}
	if h := actor.HostOf(ctx); h != "" {
		out.Host = h
	}
	one := *c
	one.attrs = slices.Clone(c.attrs)
	r.Attrs(func(a slog.Attr) bool {
		one.add(one.prefix, a)
		return true
	})
	out.Node, out.Attrs = one.node, one.attrs
	c.tap.add(c.tap.number(out))
	c.record(out) // which knows its level
	for _, f := range c.others {
		f(out)
	}
	return nil
}

// add flattens an attribute into c.
func (c *mainConsole) add(prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			c.add(prefix, g)
		}
	case a.Equal(slog.Attr{}):
	case prefix == "" && a.Key == bootstrap.NodeKey:
		c.node = v.String()
	case v.Kind() == slog.KindTime:
		c.attrs = append(c.attrs, bootstrap.Attr{Key: prefix + a.Key, Value: v.Time().UTC().Format(time.RFC3339Nano)})
	default:
		c.attrs = append(c.attrs, bootstrap.Attr{Key: prefix + a.Key, Value: v.String()})
	}
}

func (c *mainConsole) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *c
	d.attrs = slices.Clone(c.attrs)
	for _, a := range attrs {
		d.add(d.prefix, a)
	}
	return &d
}

func (c *mainConsole) WithGroup(name string) slog.Handler {
	d := *c
	if name != "" {
		d.prefix += name + "."
	}
	return &d
}
