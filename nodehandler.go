package tlaunch

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// nodeHandler names the node of a record's context, and the trace and span where it is in one, outside of all groups.
type nodeHandler struct {
	all   slog.Handler                      // with every attribute and group
	outer slog.Handler                      // without what inner adds
	inner []func(slog.Handler) slog.Handler // the first group, and what was added since
}

var _ slog.Handler = (*nodeHandler)(nil)

// The names under which logs of other formats carry the trace: https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/.
const (
	traceKey = "trace_id"
	spanKey  = "span_id"
)

func newNodeHandler(h slog.Handler) *nodeHandler { return &nodeHandler{all: h, outer: h} }

func (h *nodeHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.all.Enabled(ctx, l) }

func (h *nodeHandler) Handle(ctx context.Context, r slog.Record) error {
	var whose []slog.Attr
	if key := actor.Self(ctx); key != "" {
		name := key
		if s := stageOf(ctx); s != nil {
			name = s.names[key]
		}
		whose = append(whose, slog.String(bootstrap.NodeKey, name))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		whose = append(whose, slog.String(traceKey, sc.TraceID().String()), slog.String(spanKey, sc.SpanID().String()))
	}
	if len(whose) == 0 {
		return h.all.Handle(ctx, r)
	}
	if h.inner == nil {
		r = r.Clone()
		r.AddAttrs(whose...)
		return h.all.Handle(ctx, r)
	}
	to := h.outer.WithAttrs(whose)
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
