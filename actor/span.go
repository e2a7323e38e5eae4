package actor

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Spans of messages, after OpenTelemetry's conventions: for remote procedure calls where somebody waits, else for messaging, in whose words a
// tell is sent by its sender and processed by its node.

const (
	// tracerName tells these spans from those of others.
	tracerName = "github.com/tartrl/tlaunch-go/actor"

	attributeNode  = attribute.Key("tlaunch.node")       // label/number
	attributeHost  = attribute.Key("tlaunch.host")       // of the node
	attributeBatch = attribute.Key("tlaunch.batch.size") // calls that one run of a batched method answers
)

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
		_, span := s.startSpan(ctx, kind, t.key, m)
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
		t.ctx, t.span = n.sys.startSpan(t.ctx, trace.SpanKindServer, n.key, m.method, attributeHost.String(n.host))
		return
	}
	t.ctx, t.span = n.sys.startSpan(t.ctx, trace.SpanKindConsumer, n.key, m.method, attributeHost.String(n.host))
	if t.sender.IsValid() {
		t.span.AddLink(trace.Link{SpanContext: t.sender}) // as the conventions ask for, beside the parent that they allow
	}
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
	t.ctx, t.span = n.sys.startSpan(noContext, trace.SpanKindServer, n.key, m, attributeHost.String(n.host), attributeBatch.Int(len(batch)))
	for _, m := range batch {
		if m.trace != nil && m.trace.sender.IsValid() {
			t.span.AddLink(trace.Link{SpanContext: m.trace.sender})
		}
	}
	return &asker{trace: t}
}

// startSpan begins a span of a message to the node key. Its name has no number in it, and no method that the node does not have: so there are
// few names, whatever peers send.
func (s *System) startSpan(ctx context.Context, kind trace.SpanKind, key string, m *method, more ...attribute.KeyValue) (context.Context, trace.Span) {
	label, _, _ := strings.Cut(key, "/")
	name := label + "/_OTHER"
	if m != nil {
		name = label + "/" + m.name
	}
	attributes := append(make([]attribute.KeyValue, 0, 8), attributeNode.String(key))
	attributes = append(attributes, more...)
	switch kind {
	case trace.SpanKindProducer:
		attributes = append(attributes, semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend)
	case trace.SpanKindConsumer:
		attributes = append(attributes, semconv.MessagingOperationName("process"), semconv.MessagingOperationTypeProcess)
	default:
		attributes = append(attributes, semconv.RPCSystemNameKey.String("tlaunch"), semconv.RPCMethod(name))
		return s.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
	}
	operation := attributes[len(attributes)-2].Value.AsString()
	attributes = append(attributes, semconv.MessagingSystemKey.String("tlaunch"), semconv.MessagingDestinationName(name))
	return s.tracer.Start(ctx, operation+" "+name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
}

// endSpan ends a span of a message that ended with err.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(semconv.ErrorTypeKey.String(reasonOf(err)))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
