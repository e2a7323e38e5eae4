package tlaunch

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// A TraceSetup gives a process of a run what it makes OpenTelemetry spans with. process is the name of its host, with that of the node where
// it is a node's own ("host1~worker.0"), and "launcher" for the process that called Launch, where all nodes of a run in one process are.
// A nil provider makes no spans there.
//
// end is called once when the process has nothing more to do with the run, with 2 s to export what it still holds: it is the
// provider's Shutdown, or the ForceFlush of one that the application goes on using, such as that of [go.opentelemetry.io/otel.GetTracerProvider].
// It may be nil. Its error is a warning in the run's log. A process that is killed calls nothing.
type TraceSetup func(process string) (provider trace.TracerProvider, end func(context.Context) error, err error)

// Traced makes spans of the calls and tells of the program's runs: package actor says which. Each process of a run asks setup once, before its
// nodes are made, and perhaps several runs of one process at once; an error fails the launch. Without this option a trace that a caller is in
// travels all the same. Guests have [ConnectTracer].
func Traced(setup TraceSetup) ProgramOption { return func(p *program) { p.traced = setup } }

// ConnectTracer makes spans of what the connection calls and tells. Nil, the default, makes none.
func ConnectTracer(provider trace.TracerProvider) ConnectOption {
	return func(s *connectSettings) { s.tracer = provider }
}

// tracing is what a process of a run makes spans with. The zero value makes none.
type tracing struct {
	provider trace.TracerProvider
	end      func(context.Context) error
}

// tracing asks the program's option, if it has one.
func (p *program) tracing(process string) (t tracing, err error) {
	if p.traced == nil {
		return tracing{}, nil
	}
	t.provider, t.end, err = p.traced(process)
	if err != nil {
		return tracing{}, fmt.Errorf("the program's Traced option for %s: %w", process, err)
	}
	return t, nil
}

// tracePatience is how long the end of a process waits for its spans to be exported.
const tracePatience = 2 * time.Second

// close ends the process's part, and warns where spans may be lost. Values of ctx go on, its end does not count: the time for this is its own.
func (t tracing) close(ctx context.Context, log *slog.Logger) {
	if t.end == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracePatience)
	defer cancel()
	if err := t.end(ctx); err != nil {
		log.Warn("the last spans may be lost: what the Traced option gave to end the tracing has failed", "error", err)
	}
}
