package actor_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go/actor"
)

func benchCluster(b *testing.B) (*actor.Table, *actor.Node) {
	table := actor.NewTable()
	sys := actor.NewSystem(actor.Config{Table: table})
	n := spawn(b, sys, actor.Spec{Key: "n/0", Value: &sum{}})
	b.Cleanup(func() { require.NoError(b, sys.Close(context.Background())) })
	b.ReportAllocs()
	return table, n
}

func BenchmarkTell(b *testing.B) {
	table, n := benchCluster(b)
	ref, ctx := actor.NewRef[*sum](table, "n/0"), b.Context()
	for b.Loop() {
		if err := actor.Tell(ctx, ref, (*sum).Put, 1); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, n.Drain(ctx))
}

func BenchmarkCall(b *testing.B) {
	table, _ := benchCluster(b)
	ref, ctx := actor.NewRef[*sum](table, "n/0"), b.Context()
	for b.Loop() {
		if _, err := actor.Call(ctx, ref, (*sum).Add, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTraced is what a trace costs: where there is none, where it only travels, and with spans.
func BenchmarkTraced(b *testing.B) {
	state, err := trace.ParseTraceState("a=1")
	require.NoError(b, err)
	in := trace.ContextWithSpanContext(b.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, TraceState: state,
	}))
	for _, way := range []struct {
		name   string
		ctx    context.Context
		tracer trace.TracerProvider
	}{
		{"none", b.Context(), nil},
		{"travels", in, nil},
		{"not sampled", b.Context(), sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))},
		{"sampled", in, sdktrace.NewTracerProvider()},
	} {
		c := newClusterWith(b, actor.Config{TracerProvider: way.tracer}, "a", "b")
		n := spawn(b, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
		for where, table := range map[string]*actor.Table{"here": c.tables["a"], "across": c.tables["b"]} {
			ref := actor.NewRef[*sum](table, "a/0")
			b.Run("tell "+where+", "+way.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := actor.Tell(way.ctx, ref, (*sum).Put, 1); err != nil {
						b.Fatal(err)
					}
				}
				require.NoError(b, n.Drain(b.Context()))
			})
			b.Run("call "+where+", "+way.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := actor.Call(way.ctx, ref, (*sum).Add, 1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkCallWithDeadline(b *testing.B) {
	table, _ := benchCluster(b)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	ref := actor.NewRef[*sum](table, "n/0")
	for b.Loop() {
		if _, err := actor.Call(ctx, ref, (*sum).Add, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTellBytes(b *testing.B) {
	table := actor.NewTable()
	sys := actor.NewSystem(actor.Config{Table: table})
	n := spawn(b, sys, actor.Spec{Key: "n/0", Value: &hoarder{}})
	b.Cleanup(func() { require.NoError(b, sys.Close(context.Background())) })
	ref, ctx, data := actor.NewRef[*hoarder](table, "n/0"), b.Context(), make([]byte, 64<<10)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := actor.Tell(ctx, ref, (*hoarder).Drop, data); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, n.Drain(ctx))
}

// BenchmarkTellAcross goes through the wire messages and the network in
// memory: with the method registered by an expression, and by reflection.
func BenchmarkTellAcross(b *testing.B) {
	c := newCluster(b, "a", "b")
	reflected := spawn(b, c.systems["a"], actor.Spec{Key: "a/1", Value: &unnamed{}})
	registered := spawn(b, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
	b.Run("registered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := actor.Tell(b.Context(), actor.NewRef[*sum](c.tables["b"], "a/0"), (*sum).Put, 1); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, registered.Drain(b.Context()))
	})
	b.Run("reflected", func(b *testing.B) {
		b.ReportAllocs()
		ref := actor.NewRef[putter](c.tables["b"], "a/1")
		for b.Loop() {
			if err := actor.Tell(b.Context(), ref, putter.Put, 1); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, reflected.Drain(b.Context()))
	})
}

// unnamed has a method that no expression names.
type unnamed struct{ total int }

func (u *unnamed) Put(_ context.Context, n int) error { u.total += n; return nil }

type putter interface {
	Put(context.Context, int) error
}
