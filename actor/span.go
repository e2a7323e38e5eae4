package actor

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Spans of messages.

// A traced is what a message that belongs to a trace has beside it.
type traced struct {
	sender  trace.SpanContext // of who has sent it; not valid: nobody's
	sending trace.Span        // of the sender, for a call until it has the result; nil: none
	ctx     context.Context   // holds the span that the method sees; nil until the method begins
	span    trace.Span        // of the method; nil: none
}

// noContext is where spans are put to be found by the keys of package trace.
var noContext = context.Background()

// depart gives what a message that is sent under ctx takes along. Without a tracer, and a trace in ctx, that is nothing: most messages cost no
// more than the look.
func (s *System) depart(ctx context.Context, t *target, m *method, kind trace.SpanKind) *traced {
	if s.tracer != nil {
		_, span := s.startSpan(ctx, spanSort{kind, t.key, m}, "")
		return &traced{sender: span.SpanContext(), sending: span}
	}
	if isBare(ctx) {
		return nil
	}
	span := trace.SpanFromContext(ctx)
	if span == noSpan {
		return nil
	}
	sc := span.SpanContext()
	if !sc.IsValid() {
		return nil
	}
	return &traced{sender: sc}
}

// noSpan is that of a context without one.
var noSpan = trace.SpanFromContext(context.Background())

// sent ends the sender's span; t may be nil.
func (t *traced) sent(err error) {
	if t != nil && t.sending != nil {
		endSpan(t.sending, err)
	}
}

// isBare reports whether ctx is one of ours that belongs to no trace, which is found out faster than by asking for a value.
func isBare(ctx context.Context) bool {
	switch ctx := ctx.(type) {
	case *invocation:
		return ctx.trace == nil
	case life:
		return true
	}
	return false
}

// inherited is what a function takes along that runs in a turn of its own process: the span itself.
func inherited(ctx context.Context) *traced {
	span := trace.SpanFromContext(ctx)
	if !span.SpanContext().IsValid() {
		return nil
	}
	return &traced{ctx: trace.ContextWithSpan(noContext, span)}
}

// arrived is who waits for m, with room for the span that m is to have. It is called where there is a tracer.
func (m *message) arrived() *asker {
	if m.trace != nil || m.method != nil && m.method.recv == nil { // the last is our own
		return m.asker
	}
	a := *m.asker
	a.trace = &traced{}
	return &a
}

// begin makes what the method sees of the trace.
func (t *traced) begin(n *Node, m *message) {
	if t.ctx != nil {
		return
	}
	t.ctx = noContext
	if t.sender.IsValid() {
		t.ctx = trace.ContextWithSpanContext(noContext, t.sender)
	}
	if n.sys.tracer == nil {
		return
	}
	if m.waitedFor() {
		t.ctx, t.span = n.sys.startSpan(t.ctx, spanSort{trace.SpanKindServer, n.key, m.method}, n.host)
		return
	}
	t.ctx, t.span = n.sys.startSpan(t.ctx, spanSort{trace.SpanKindConsumer, n.key, m.method}, n.host)
	if t.sender.IsValid() {
		t.span.AddLink(trace.Link{SpanContext: t.sender}) // as the conventions ask for, beside the parent that they allow
	}
}

// context is for what is logged of the message: in its trace, if it is in one; t may be nil.
func (t *traced) context() context.Context {
	switch {
	case t == nil:
		return noContext
	case t.ctx != nil:
		return t.ctx
	case t.sender.IsValid():
		return trace.ContextWithSpanContext(noContext, t.sender)
	}
	return noContext
}

// waitedFor reports whether somebody is told what the method returns.
func (m *message) waitedFor() bool {
	plain, ok := m.answer.(*plainAnswer)
	return m.answer != nil && (!ok || plain.sender != nil)
}

// gathered is who waits for a batch: its method sees a span of its own, which belongs to no single caller and points to all of them.
func (n *Node) gathered(m *method, batch []message) *asker {
	if n.sys.tracer == nil {
		return nobody
	}
	t := &traced{}
	t.ctx, t.span = n.sys.startSpan(noContext, spanSort{trace.SpanKindServer, n.key, m}, n.host)
	t.span.SetAttributes(attributeBatch.Int(len(batch)))
	for _, m := range batch {
		if m.trace != nil && m.trace.sender.IsValid() {
			t.span.AddLink(trace.Link{SpanContext: m.trace.sender})
		}
	}
	return &asker{trace: t}
}

// endSpan ends a span of a message that ended with err.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(semconv.ErrorTypeKey.String(reasonOf(err)))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
