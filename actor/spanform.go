package actor

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// What spans are called and say of themselves, after OpenTelemetry's conventions: for remote procedure calls where somebody waits, else for
// messaging, in whose words a tell is sent by its sender and processed by its node.

const (
	// tracerName tells these spans from those of others.
	tracerName = "github.com/tartrl/tlaunch-go/actor"

	attributeNode  = attribute.Key("tlaunch.node")       // label/number
	attributeHost  = attribute.Key("tlaunch.host")       // of the node
	attributeBatch = attribute.Key("tlaunch.batch.size") // calls that one run of a batched method answers

	spanSystem = "tlaunch"
	otherName  = "_OTHER" // of methods that a node does not have: peers do not choose the names of spans here
)

// A spanSort is what many spans have in common. There are as many as methods that nodes have, and are called: whatever peers send.
type spanSort struct {
	kind   trace.SpanKind
	node   string  // its key
	method *method // nil: one that the node does not have
}

// A spanForm is what a span of a sort begins with.
type spanForm struct {
	name    string
	options []trace.SpanStartOption
}

// startSpan begins a span of a sort; host is that of the node, where it is known.
func (s *System) startSpan(ctx context.Context, sort spanSort, host string) (context.Context, trace.Span) {
	f, ok := s.spans.Load(sort)
	if !ok {
		f, _ = s.spans.LoadOrStore(sort, sort.form(host))
	}
	form := f.(*spanForm)
	return s.tracer.Start(ctx, form.name, form.options...)
}

// form has no number in the name: nodes of one label do the same.
func (s spanSort) form(host string) *spanForm {
	label, _, _ := strings.Cut(s.node, "/")
	name := label + "/" + otherName
	if s.method != nil {
		name = label + "/" + s.method.name
	}
	attributes := []attribute.KeyValue{attributeNode.String(s.node)}
	if host != "" {
		attributes = append(attributes, attributeHost.String(host))
	}
	switch s.kind {
	case trace.SpanKindProducer:
		attributes = append(attributes, messagingAttributes(name, "send", semconv.MessagingOperationTypeSend)...)
		name = "send " + name
	case trace.SpanKindConsumer:
		attributes = append(attributes, messagingAttributes(name, "process", semconv.MessagingOperationTypeProcess)...)
		name = "process " + name
	default:
		attributes = append(attributes, semconv.RPCSystemNameKey.String(spanSystem), semconv.RPCMethod(name))
	}
	return &spanForm{name, []trace.SpanStartOption{trace.WithSpanKind(s.kind), trace.WithAttributes(attributes...)}}
}

func messagingAttributes(destination, operation string, kind attribute.KeyValue) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String(spanSystem), semconv.MessagingDestinationName(destination), semconv.MessagingOperationName(operation), kind,
	}
}
