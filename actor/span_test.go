package actor_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go/actor"
)

// tracing is what an application has set, and what came of it.
type tracing struct {
	*sdktrace.TracerProvider
	recorder *tracetest.SpanRecorder
}

func newTracing() tracing {
	r := tracetest.NewSpanRecorder()
	return tracing{sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)), r}
}

// begin is a context with a span of the application's.
func (r tracing) begin(ctx context.Context) (context.Context, trace.Span) {
	return r.Tracer("test").Start(ctx, "test")
}

// ended is the one span of that name and kind.
func (r tracing) ended(t *testing.T, kind trace.SpanKind, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, s := range r.recorder.Ended() {
		if s.Name() == name && s.SpanKind() == kind {
			found = append(found, s)
		}
	}
	require.Len(t, found, 1, "%v %s", kind, name)
	return found[0]
}

// requireParent checks who a span's parent is, by all that travels.
func requireParent(t *testing.T, parent trace.SpanContext, s sdktrace.ReadOnlySpan) {
	t.Helper()
	require.Equal(t, parent.TraceID(), s.Parent().TraceID())
	require.Equal(t, parent.SpanID(), s.Parent().SpanID())
	require.Equal(t, parent.TraceFlags(), s.Parent().TraceFlags())
	require.Equal(t, parent.TraceState().String(), s.Parent().TraceState().String())
}

func attributesOf(s sdktrace.ReadOnlySpan) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes() {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// traced runs f over the ways on which messages go between three systems of a cluster, or within one.
func traced(t *testing.T, cfg actor.Config, f func(t *testing.T, c *testCluster, r tracing, homes [3]string)) {
	for name, way := range map[string]struct {
		homes  [3]string
		encode bool
		over   func(port) actor.Transport
	}{
		"one process":     {[3]string{"a", "a", "a"}, false, parcels},
		"encoded":         {[3]string{"a", "a", "a"}, true, parcels},
		"three processes": {[3]string{"a", "b", "c"}, false, parcels},
		"with messages":   {[3]string{"a", "b", "c"}, false, messages},
	} {
		t.Run(name, func(t *testing.T) {
			r, cfg := newTracing(), cfg
			cfg.Encode = way.encode
			if cfg.TracerProvider == nil {
				cfg.TracerProvider = r
			} else {
				cfg.TracerProvider = nil // only the context travels
			}
			f(t, newClusterOver(t, cfg, way.over, "a", "b", "c"), r, way.homes)
		})
	}
}

// hop passes on what it is asked, and notes in which span it was.
type hop struct {
	next actor.Ref[*hop]
	seen chan trace.SpanContext
}

func (h *hop) Ask(ctx context.Context, hops int) (int, error) {
	h.seen <- trace.SpanContextFromContext(ctx)
	if hops == 0 {
		return 1, nil
	}
	inner, cancel := context.WithCancel(ctx) // as methods derive contexts
	defer cancel()
	n, err := actor.Call(inner, h.next, (*hop).Ask, hops-1)
	return n + 1, err
}

func (h *hop) Say(ctx context.Context, hops int) error {
	h.seen <- trace.SpanContextFromContext(ctx)
	if hops == 0 {
		return nil
	}
	return actor.Tell(ctx, h.next, (*hop).Say, hops-1)
}

// hops are three nodes in a row, with a ref for a caller in the process of the last.
func hops(t *testing.T, c *testCluster, homes [3]string) (nodes [3]*actor.Node, values [3]*hop, first actor.Ref[*hop]) {
	for i, home := range homes {
		values[i] = &hop{seen: make(chan trace.SpanContext, 16)}
		if i < 2 {
			values[i].next = actor.NewRef[*hop](c.tables[home], key(homes, i+1))
		}
		nodes[i] = spawn(t, c.systems[home], actor.Spec{Key: key(homes, i), Host: "host-" + home, Value: values[i]})
	}
	return nodes, values, actor.NewRef[*hop](c.tables[homes[2]], key(homes, 0))
}

func key(homes [3]string, i int) string { return homes[i] + string(rune('x'+i)) + "/7" }

// A call's span is the caller's span's child, the method's that one's; three hops are one trace.
func TestSpansOfCalls(t *testing.T) {
	traced(t, actor.Config{}, func(t *testing.T, c *testCluster, r tracing, homes [3]string) {
		_, values, first := hops(t, c, homes)
		ctx, root := r.begin(t.Context())
		n, err := actor.Call(ctx, first, (*hop).Ask, 2)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		parent := root.SpanContext()
		for i := range homes {
			label := key(homes, i)[:2]
			client := r.ended(t, trace.SpanKindClient, label+"/Ask")
			requireParent(t, parent, client)
			server := r.ended(t, trace.SpanKindServer, label+"/Ask")
			requireParent(t, client.SpanContext(), server)
			require.Equal(t, homes[0] != homes[2], server.Parent().IsRemote())
			require.Equal(t, codes.Unset, server.Status().Code)
			require.Equal(t, map[string]string{
				"rpc.system.name": "tlaunch", "rpc.method": label + "/Ask", "tlaunch.node": key(homes, i), "tlaunch.host": "host-" + homes[i],
			}, attributesOf(server))
			require.Equal(t, server.SpanContext(), <-values[i].seen)
			parent = server.SpanContext()
		}
		require.Len(t, r.recorder.Ended(), 6)
	})
}

// A tell is sent by a producer and processed by a consumer, whose parent and link it is.
func TestSpansOfTells(t *testing.T) {
	traced(t, actor.Config{}, func(t *testing.T, c *testCluster, r tracing, homes [3]string) {
		nodes, values, first := hops(t, c, homes)
		ctx, root := r.begin(t.Context())
		require.NoError(t, actor.Tell(ctx, first, (*hop).Say, 2))
		parent := root.SpanContext()
		for i := range homes {
			seen := <-values[i].seen
			require.NoError(t, nodes[i].Drain(t.Context()))
			label := key(homes, i)[:2]
			producer := r.ended(t, trace.SpanKindProducer, "send "+label+"/Say")
			requireParent(t, parent, producer)
			consumer := r.ended(t, trace.SpanKindConsumer, "process "+label+"/Say")
			requireParent(t, producer.SpanContext(), consumer)
			require.Len(t, consumer.Links(), 1)
			require.Equal(t, producer.SpanContext().SpanID(), consumer.Links()[0].SpanContext.SpanID())
			require.Equal(t, map[string]string{
				"messaging.system": "tlaunch", "messaging.operation.name": "process", "messaging.operation.type": "process",
				"messaging.destination.name": label + "/Say", "tlaunch.node": key(homes, i), "tlaunch.host": "host-" + homes[i],
			}, attributesOf(consumer))
			require.Equal(t, consumer.SpanContext(), seen)
			parent = consumer.SpanContext()
		}
	})
}

// Without a tracer nothing is added, and what the caller's context has travels on, over any number of hops.
func TestTraceTravelsWithoutTracer(t *testing.T) {
	traced(t, actor.Config{TracerProvider: newTracing()}, func(t *testing.T, c *testCluster, r tracing, homes [3]string) {
		_, values, first := hops(t, c, homes)
		state, err := trace.ParseTraceState("vendor=1,other@tenant=x:y")
		require.NoError(t, err)
		for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled, trace.FlagsSampled | trace.FlagsRandom} {
			sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, TraceState: state})
			ctx := trace.ContextWithSpanContext(t.Context(), sc)
			_, err := actor.Call(ctx, first, (*hop).Ask, 2)
			require.NoError(t, err)
			_, err = actor.Go(ctx, first, (*hop).Ask, 2).Wait(t.Context())
			require.NoError(t, err)
			require.NoError(t, actor.Tell(ctx, first, (*hop).Say, 2))
			for i := range homes {
				for range 3 {
					require.True(t, sc.Equal((<-values[i].seen).WithRemote(false)))
				}
			}
		}
		_, err = actor.Call(t.Context(), first, (*hop).Ask, 2)
		require.NoError(t, err)
		require.NoError(t, actor.Tell(t.Context(), first, (*hop).Say, 2))
		for i := range homes {
			require.Zero(t, <-values[i].seen)
			require.Zero(t, <-values[i].seen)
		}
		require.Empty(t, r.recorder.Started())
	})
}

func TestSpansOfFailures(t *testing.T) {
	for name, way := range map[string]string{"one process": "a", "two processes": "b"} {
		t.Run(name, func(t *testing.T) {
			r := newTracing()
			c := newClusterWith(t, actor.Config{TracerProvider: r}, "a", "b")
			n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &sum{}})
			ref := actor.NewRef[*sum](c.tables[way], "a/0")
			status := func(kind trace.SpanKind, name, reason, text string) {
				t.Helper()
				s := r.ended(t, kind, name)
				require.Equal(t, codes.Error, s.Status().Code)
				require.Contains(t, s.Status().Description, text)
				require.Equal(t, reason, attributesOf(s)["error.type"])
			}
			require.Error(t, actor.Do(t.Context(), ref, (*sum).Fail, "no luck"))
			status(trace.SpanKindServer, "a/Fail", "failed", "no luck")
			status(trace.SpanKindClient, "a/Fail", "failed", "no luck")

			require.Error(t, actor.Do0(t.Context(), ref, (*sum).Panic))
			status(trace.SpanKindServer, "a/Panic", "panic", "boom")
			status(trace.SpanKindClient, "a/Panic", "panic", "boom")

			ctx, cancel := context.WithCancel(t.Context())
			f := actor.GoDo0(ctx, ref, (*sum).Wait)
			cancel()
			_, err := f.Wait(t.Context())
			require.ErrorIs(t, err, context.Canceled)
			status(trace.SpanKindClient, "a/Wait", "canceled", "canceled")
			require.NoError(t, n.Drain(t.Context()))

			require.NoError(t, actor.Tell(t.Context(), ref, (*sum).Fail, "told"))
			require.NoError(t, actor.Do(t.Context(), ref, (*sum).Put, 1)) // comes after
			status(trace.SpanKindConsumer, "process a/Fail", "failed", "told")
			require.Equal(t, codes.Unset, r.ended(t, trace.SpanKindProducer, "send a/Fail").Status().Code, "it was sent")

			stray := actor.As[stranger](actor.NewRef[stranger](c.tables[way], "a/0"))
			require.ErrorIs(t, actor.Do0(t.Context(), stray, stranger.Unheard), actor.ErrNoMethod)
			status(trace.SpanKindClient, "a/Unheard", "no_method", "Unheard")
			status(trace.SpanKindServer, "a/_OTHER", "no_method", "Unheard") // peers do not choose the names of spans here

			require.NoError(t, n.Stop(t.Context()))
			require.ErrorIs(t, actor.Tell(t.Context(), actor.NewRef[*sum](c.tables["a"], "a/0"), (*sum).Put, 1), actor.ErrStopped)
			status(trace.SpanKindProducer, "send a/Put", "stopped", "stopped")
			require.Len(t, r.recorder.Ended(), len(r.recorder.Started()), "all that were begun have ended")
		})
	}
}

type stranger interface{ Unheard(context.Context) error }

// A batch has a span of its own, with a link for each of its calls.
func TestSpanOfBatch(t *testing.T) {
	traced(t, actor.Config{}, func(t *testing.T, c *testCluster, r tracing, homes [3]string) {
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &doubler{}, Batches: []actor.Batch{actor.Batched((*doubler).Double, 3, -1)}})
		ref := actor.NewRef[*doubler](c.tables[homes[1]], "a/0")
		ctx, root := r.begin(t.Context())
		n, err := actor.CallBatched(ctx, ref, (*doubler).Double, 2)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		client := r.ended(t, trace.SpanKindClient, "a/Double")
		requireParent(t, root.SpanContext(), client)
		batch := r.ended(t, trace.SpanKindServer, "a/Double")
		require.False(t, batch.Parent().IsValid())
		require.Len(t, batch.Links(), 1)
		require.Equal(t, client.SpanContext().SpanID(), batch.Links()[0].SpanContext.SpanID())
		require.Contains(t, batch.Attributes(), attribute.Int("tlaunch.batch.size", 1))
	})
}

type doubler struct{}

func (doubler) Double(_ context.Context, all []int) ([]int, error) {
	out := slices.Clone(all)
	for i := range out {
		out[i] *= 2
	}
	return out, nil
}

// A call whose node is started again ends with its span; the trace goes on with the next call.
func TestSpansWhenANodeIsReplaced(t *testing.T) {
	r := newTracing()
	c := newClusterWith(t, actor.Config{TracerProvider: r}, "a", "b")
	old := newGate()
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: old})
	ref := actor.NewRef[*gate](c.tables["b"], "a/0")
	ctx, root := r.begin(t.Context())
	f := actor.GoDo(ctx, ref, (*gate).Hold, 1)
	<-old.entered
	next, err := n.Replace(newGate())
	require.NoError(t, err)
	_, err = f.Wait(t.Context())
	require.ErrorIs(t, err, actor.ErrPeerGone)
	require.Equal(t, "peer_gone", attributesOf(r.ended(t, trace.SpanKindClient, "a/Hold"))["error.type"])
	require.NoError(t, n.Stop(t.Context()))
	require.Equal(t, "peer_gone", attributesOf(r.ended(t, trace.SpanKindServer, "a/Hold"))["error.type"])
	require.NoError(t, next.Start(t.Context()))
	require.NoError(t, actor.Do(ctx, ref, (*gate).Note, 2))
	requireParent(t, root.SpanContext(), r.ended(t, trace.SpanKindClient, "a/Note"))
}

// What passes a function into a turn stays in its span; what runs a node's life is in none.
func TestTurnStaysInTheSpan(t *testing.T) {
	r := newTracing()
	background, outer := r.begin(t.Context())
	c := newClusterWith(t, actor.Config{TracerProvider: r, Context: background}, "a")
	turner := &turner{r: r, seen: make(chan trace.Span, 2)}
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: turner})
	require.NoError(t, n.Run(background))
	require.False(t, (<-turner.seen).SpanContext().IsValid())
	span := <-turner.seen
	require.True(t, span.IsRecording(), "the span itself")
	require.NotEqual(t, outer.SpanContext().TraceID(), span.SpanContext().TraceID())
	span.End()
	require.Len(t, r.recorder.Started(), 2, "none of its own")
}

type turner struct {
	r    tracing
	seen chan trace.Span
}

func (u *turner) Run(ctx context.Context) error {
	u.seen <- trace.SpanFromContext(ctx)
	ctx, span := u.r.begin(ctx)
	return actor.Turn(ctx, func(ctx context.Context) error {
		if trace.SpanFromContext(ctx) == span {
			u.seen <- span
		}
		return nil
	})
}
