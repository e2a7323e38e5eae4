// Package capture runs a program and returns what its nodes log, for the
// tests of the examples.
//
// It replaces the default logger while a run lasts, so runs follow each other:
// one at a time in a process. A run ends with its context at the latest, and
// is waited for.
package capture

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
)

// Run launches d and waits for the run's end. The log is text, one record a
// line: what nodes have logged at slog.LevelInfo or above, in this process and
// in others. The error is that of the launch or of the run.
func Run[C any](ctx context.Context, d *tlaunch.Definition[C], cfg C, opts ...tlaunch.Option) (log string, err error) {
	return Until(ctx, d, cfg, "", opts...)
}

// Until is Run, but stops the run when a node has logged the message, at
// whatever level.
func Until[C any](ctx context.Context, d *tlaunch.Definition[C], cfg C, message string, opts ...tlaunch.Option) (log string, err error) {
	one.Lock()
	defer one.Unlock()
	var b bytes.Buffer
	h := &watch{Handler: slog.NewTextHandler(&b, nil), message: message, seen: make(chan struct{}), once: new(sync.Once)}
	before := slog.Default()
	slog.SetDefault(slog.New(h))
	defer slog.SetDefault(before)

	run, err := d.Launch(ctx, cfg, append(append(slices.Clone(patient), opts...), tlaunch.LogTo(h))...)
	if err != nil {
		return "", err
	}
	select {
	case <-run.Done():
		err = run.Wait(ctx)
	case <-h.seen:
		err = run.Stop(ctx)
	case <-ctx.Done():
		err = errors.Join(ctx.Err(), run.Stop(ctx))
	}
	return b.String(), err // the run has ended: nothing writes to b any more
}

// patient has no run of a test fail because the machine is busy: processes were seen to stand still for seconds. What opts say goes before it.
var patient = []tlaunch.Option{tlaunch.Lease(time.Minute), tlaunch.Notice(time.Minute)}

var one sync.Mutex // who runs a program, and has the default logger

// watch is a handler that notices a message.
type watch struct {
	slog.Handler
	message string
	seen    chan struct{}
	once    *sync.Once // of seen's close
}

func (w *watch) Enabled(context.Context, slog.Level) bool { return true }

func (w *watch) Handle(ctx context.Context, r slog.Record) error {
	if w.message != "" && r.Message == w.message {
		w.once.Do(func() { close(w.seen) })
	}
	if !w.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return w.Handler.Handle(ctx, r)
}

func (w *watch) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *w
	c.Handler = w.Handler.WithAttrs(attrs)
	return &c
}

func (w *watch) WithGroup(name string) slog.Handler {
	c := *w
	c.Handler = w.Handler.WithGroup(name)
	return &c
}
