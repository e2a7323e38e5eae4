package tlaunch

import (
	"context"
	"log/slog"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// nodeHandler names the node of a record's context, outside of all groups.
type nodeHandler struct {
	all   slog.Handler                      // with every attribute and group
	outer slog.Handler                      // without what inner adds
	inner []func(slog.Handler) slog.Handler // the first group, and what was added since
}

var _ slog.Handler = (*nodeHandler)(nil)

func newNodeHandler(h slog.Handler) *nodeHandler { return &nodeHandler{all: h, outer: h} }

func (h *nodeHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.all.Enabled(ctx, l) }

func (h *nodeHandler) Handle(ctx context.Context, r slog.Record) error {
	key := actor.Self(ctx)
	if key == "" {
		return h.all.Handle(ctx, r)
	}
	name := key
	if s := stageOf(ctx); s != nil {
		name = s.names[key]
	}
	node := slog.String(bootstrap.NodeKey, name)
	if h.inner == nil {
		r = r.Clone()
		r.AddAttrs(node)
		return h.all.Handle(ctx, r)
	}
	to := h.outer.WithAttrs([]slog.Attr{node})
	for _, add := range h.inner {
		to = add(to)
	}
	return to.Handle(ctx, r)
}

func (h *nodeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if h.inner == nil {
		return newNodeHandler(h.all.WithAttrs(attrs))
	}
	return h.with(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

func (h *nodeHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *nodeHandler) with(add func(slog.Handler) slog.Handler) *nodeHandler {
	return &nodeHandler{add(h.all), h.outer, append(h.inner[:len(h.inner):len(h.inner)], add)}
}
