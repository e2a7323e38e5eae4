package tlaunch

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

// Records of who is in a trace say so, whatever groups the logger has; others are as they were.
func TestRecordsNameTheirTrace(t *testing.T) {
	var out bytes.Buffer
	plain := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}
	log := slog.New(newNodeHandler(slog.NewTextHandler(&out, plain)))
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2},
	}))
	for _, c := range []struct {
		ctx  context.Context
		log  *slog.Logger
		want string
	}{
		{context.Background(), log, "msg=said k=v\n"},
		{ctx, log, "msg=said k=v trace_id=00000000000000000000000000000001 span_id=0000000000000002\n"},
		{ctx, log.WithGroup("g"), "msg=said trace_id=00000000000000000000000000000001 span_id=0000000000000002 g.k=v\n"},
	} {
		out.Reset()
		c.log.InfoContext(c.ctx, "said", "k", "v")
		require.Equal(t, c.want, out.String())
	}
}
