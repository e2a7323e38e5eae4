package actor

import (
	"context"
	"maps"
	"strings"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// What a message says of the trace that it belongs to: W3C Trace Context, https://www.w3.org/TR/trace-context-1/. Plain messages have it in
// their headers, traceparent and tracestate. Those between systems have the same as bytes: the trace's id, of 16, the id of the span that has
// sent the message, of 8, and the flags, one; then the text of tracestate.

const (
	traceFixed = 16 + 8 + 1 // bytes before the tracestate

	// What a tracestate is cut down to, and what is cut off it first: "tracestate Limits" in the specification.
	mostTraceState = 512
	longMember     = 128

	// knownFlags are those that the specification and its second level define; others are not passed on.
	knownFlags = trace.FlagsSampled | trace.FlagsRandom
)

// encodeTrace is what travels of a span; nothing where it is not valid.
func encodeTrace(sc trace.SpanContext) []byte {
	if !sc.IsValid() {
		return nil
	}
	state := traceStateText(sc.TraceState())
	id, span := sc.TraceID(), sc.SpanID()
	b := make([]byte, 0, traceFixed+len(state))
	b = append(append(b, id[:]...), span[:]...)
	b = append(b, byte(sc.TraceFlags()&knownFlags))
	return append(b, state...)
}

// encoded is what travels with a message; t may be nil.
func (t *traced) encoded() []byte {
	if t == nil {
		return nil
	}
	return encodeTrace(t.sender)
}

// decodeTrace reads what encodeTrace has written. A tracestate that makes no sense is dropped by itself.
func decodeTrace(b []byte) (sc trace.SpanContext, ok bool) {
	if len(b) < traceFixed {
		return sc, false
	}
	c := trace.SpanContextConfig{
		TraceID: trace.TraceID(b[:16]), SpanID: trace.SpanID(b[16:24]), TraceFlags: trace.TraceFlags(b[24]) & knownFlags, Remote: true,
	}
	if state := b[traceFixed:]; len(state) > 0 && len(state) <= mostTraceState {
		c.TraceState, _ = trace.ParseTraceState(string(state))
	}
	sc = trace.NewSpanContext(c)
	return sc, sc.IsValid()
}

// traceStateText is a tracestate of at most mostTraceState bytes: of a longer one the entries that are long themselves go first, then the
// last ones, whole.
func traceStateText(state trace.TraceState) string {
	text := state.String()
	if len(text) <= mostTraceState {
		return text
	}
	var members []string
	for member := range strings.SplitSeq(text, ",") {
		if len(member) <= longMember {
			members = append(members, member)
		}
	}
	for text = strings.Join(members, ","); len(text) > mostTraceState; {
		text = text[:strings.LastIndexByte(text, ',')] // no member is as long as that
	}
	return text
}

// The headers of plain messages.
const (
	headerTraceParent = "traceparent"
	headerTraceState  = "tracestate"
)

// traceOf reads what came with a message from another process. What makes no sense is counted, and the message goes on without.
func (s *System) traceOf(b []byte) *traced {
	if len(b) == 0 {
		return nil
	}
	sc, ok := decodeTrace(b)
	if !ok {
		s.stats.badTraces.Add(1)
		return nil
	}
	return &traced{sender: sc}
}

// traceOfHeader is traceOf for a plain message; h may be nil.
func (s *System) traceOfHeader(h protoactor.ReadonlyMessageHeader) *traced {
	if h == nil || h.Get(headerTraceParent) == "" {
		return nil
	}
	parent := propagation.MapCarrier{headerTraceParent: h.Get(headerTraceParent), headerTraceState: h.Get(headerTraceState)}
	sc := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(noContext, parent))
	if !sc.IsValid() {
		s.stats.badTraces.Add(1)
		return nil
	}
	return &traced{sender: sc}
}

// headerOf is the headers of a plain message that a span sends; nil where it is not valid.
func headerOf(sc trace.SpanContext) map[string]string {
	if !sc.IsValid() {
		return nil
	}
	h := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(noContext, sc), h)
	if _, ok := h[headerTraceState]; ok {
		h[headerTraceState] = traceStateText(sc.TraceState())
	}
	return h
}

// Root is the root context of [Actors] for messages that belong to the trace of ctx, if there is one: they say so in W3C's headers
// traceparent and tracestate, unless they have one, for actors of any process to find with MessageHeader. A node to which they are sent finds
// it by itself. Nil outside of nodes.
func Root(ctx context.Context) *protoactor.RootContext {
	actors := Actors(ctx)
	if actors == nil {
		return nil
	}
	header := headerOf(trace.SpanContextFromContext(ctx))
	if header == nil {
		return actors.Root
	}
	return actors.Root.Copy().WithSenderMiddleware(func(protoactor.SenderFunc) protoactor.SenderFunc {
		return func(_ protoactor.SenderContext, target *protoactor.PID, m *protoactor.MessageEnvelope) {
			if m.GetHeader(headerTraceParent) == "" {
				own := *m
				own.Header = maps.Clone(m.Header) // the sender may use its own again
				for k, v := range header {
					own.SetHeader(k, v)
				}
				m = &own
			}
			actors.Root.Send(target, m) // with the middleware that it has, which the copy has lost
		}
	})
}
