package actor

import (
	"context"
	"strings"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

func spanContext(t testing.TB, flags trace.TraceFlags, state string) trace.SpanContext {
	s, err := trace.ParseTraceState(state)
	require.NoError(t, err)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 15: 16}, SpanID: trace.SpanID{17, 7: 24}, TraceFlags: flags, TraceState: s})
}

func TestTraceEncoding(t *testing.T) {
	for name, sc := range map[string]trace.SpanContext{
		"sampled": spanContext(t, 1, ""), "not sampled": spanContext(t, 0, ""), "random": spanContext(t, 3, "a=1,b@c=2"),
	} {
		b := encodeTrace(sc)
		require.Len(t, b, traceFixed+len(sc.TraceState().String()))
		got, ok := decodeTrace(b)
		require.True(t, ok, name)
		require.True(t, got.IsRemote())
		require.True(t, sc.Equal(got.WithRemote(false)), name)
		for i := range traceFixed {
			_, ok := decodeTrace(b[:i])
			require.False(t, ok, "cut off")
		}
	}
	require.Empty(t, encodeTrace(trace.SpanContext{}))
	require.Empty(t, (*traced)(nil).encoded())

	b := encodeTrace(spanContext(t, 0xff, "a=1"))
	require.EqualValues(t, 3, b[24], "flags that nobody has defined stay here")
	for name, spoil := range map[string]func([]byte) []byte{
		"no trace": func(b []byte) []byte { clear(b[:16]); return b },
		"no span":  func(b []byte) []byte { clear(b[16:24]); return b },
	} {
		_, ok := decodeTrace(spoil(encodeTrace(spanContext(t, 1, "a=1"))))
		require.False(t, ok, name)
	}
	for name, state := range map[string]string{
		"no list": "\x00\xff", "twice": "a=1,a=2", "too many": strings.TrimSuffix(strings.Repeat("a=1,", 33), ","), "too long": "a=" + strings.Repeat("x", mostTraceState),
	} {
		got, ok := decodeTrace(append(encodeTrace(spanContext(t, 1, "")), state...))
		require.True(t, ok, "%s: the parent stands by itself", name)
		require.Zero(t, got.TraceState().Len(), name)
	}
}

// "tracestate Limits": entries larger than 128 characters are removed first, then others from the end.
func TestTraceStateIsCut(t *testing.T) {
	member := func(key byte, n int) string { return string(key) + "=" + strings.Repeat(string(key), n-2) }
	for name, c := range map[string]struct{ in, want []string }{
		"fits":           {[]string{member('a', 255), member('b', 256)}, []string{member('a', 255), member('b', 256)}},
		"one is long":    {[]string{member('a', 120), member('b', 129), member('c', 128), member('d', 240)}, []string{member('a', 120), member('c', 128)}},
		"many are short": {[]string{member('a', 128), member('b', 128), member('c', 128), member('d', 128), member('e', 3)}, []string{member('a', 128), member('b', 128), member('c', 128)}},
		"all are long":   {[]string{member('a', 200), member('b', 200), member('c', 200)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			sc := spanContext(t, 1, strings.Join(c.in, ","))
			want := strings.Join(c.want, ",")
			require.Equal(t, want, traceStateText(sc.TraceState()))
			require.Equal(t, want, string(encodeTrace(sc)[traceFixed:]))
			require.Equal(t, want, headerOf(sc)[headerTraceState])
		})
	}
}

func FuzzTrace(f *testing.F) {
	f.Add([]byte(nil), "", "")
	f.Add(encodeTrace(spanContext(f, 1, "a=1,b@c=2")), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "congo=t61rcWkgMzE")
	f.Add(make([]byte, 64), "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ",")
	f.Add([]byte("0123456789abcdef01234567\xffa=1,,"), "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09-more", "=")
	s := NewSystem(Config{Table: NewTable()})
	f.Cleanup(func() { _ = s.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, b []byte, parent, state string) {
		if sc, ok := decodeTrace(b); ok {
			again := encodeTrace(sc)
			require.LessOrEqual(t, len(again), traceFixed+mostTraceState)
			got, ok := decodeTrace(again)
			require.True(t, ok)
			require.True(t, sc.Equal(got))
		}
		before := s.stats.badTraces.Load()
		along := s.traceOfHeader(headers{headerTraceParent: parent, headerTraceState: state})
		bad := s.stats.badTraces.Load() - before
		require.Equal(t, parent != "" && along == nil, bad == 1)
		if along != nil {
			require.LessOrEqual(t, len(headerOf(along.sender)[headerTraceState]), mostTraceState)
		}
	})
}

// headers are those of a plain message.
type headers map[string]string

func (h headers) Get(key string) string    { return h[key] }
func (h headers) Keys() []string           { return nil }
func (h headers) Length() int              { return len(h) }
func (h headers) ToMap() map[string]string { return h }

// witness notes in which trace it was called.
type witness struct{ seen chan trace.SpanContext }

func (w *witness) See(ctx context.Context, _ []byte) error {
	w.seen <- trace.SpanContextFromContext(ctx)
	return nil
}

func (w *witness) Read(ctx context.Context, m *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	w.seen <- trace.SpanContextFromContext(ctx)
	return m, nil
}

// What makes no sense of a trace is counted and dropped, and the message is handled.
func TestBadTracesAreDropped(t *testing.T) {
	w := &witness{make(chan trace.SpanContext, 1)}
	s, in, _ := inletFor(t, map[string]any{"n/0": w})
	see := doMethod((*witness).See)
	good := encodeTrace(spanContext(t, 1, "a=1"))
	bad := append(make([]byte, 24), 1)
	process, _ := s.actors.ProcessRegistry.GetLocal("n/0")
	plain := func(header map[string]string) {
		process.SendUserMessage(nil, &protoactor.MessageEnvelope{Header: header, Message: wrapperspb.String("x")})
	}
	for i, b := range [][]byte{bad, good[:20], good} {
		require.NoError(t, in.Take(&Name{Text: "n/0"}, &Name{Text: see.tell}, b, nil, []byte("x"), nil))
		in.Flush()
		require.Equal(t, i == 2, (<-w.seen).IsValid())
		require.NoError(t, in.Take(&Name{Text: "n/0"}, &Name{Text: see.call}, b, callHead(&wire.Call{Id: uint64(i + 1)}), []byte("x"), nil))
		in.Flush()
		require.Equal(t, i == 2, (<-w.seen).IsValid())
		process.SendUserMessage(nil, from("there", &wire.Call{Id: uint64(i + 100), Method: "See", Signature: see.hash, Argument: []byte("x"), Trace: b}))
		require.Equal(t, i == 2, (<-w.seen).IsValid())
	}
	for _, parent := range []string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", strings.Repeat("0", 1<<16),
	} {
		plain(map[string]string{headerTraceParent: parent, headerTraceState: "a=1"})
		require.Zero(t, <-w.seen, parent)
	}
	require.EqualValues(t, 6+5, s.Stats().BadTraces)
	plain(map[string]string{headerTraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", headerTraceState: "a=1"})
	got := <-w.seen
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", got.TraceID().String())
	require.Equal(t, "a=1", got.TraceState().String())
	plain(nil)
	require.Zero(t, <-w.seen)
	require.EqualValues(t, 6+5, s.Stats().BadTraces)
}

// What nodes send as plain messages says in which trace they are.
func TestRoot(t *testing.T) {
	require.Nil(t, Root(t.Context()))
	s := NewSystem(Config{Table: NewTable()})
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	got := make(chan map[string]string, 1)
	pid := s.Actors().Root.Spawn(protoactor.PropsFromFunc(func(c protoactor.Context) {
		if _, ok := c.Message().(string); ok {
			got <- c.MessageHeader().ToMap()
			if c.Sender() != nil {
				c.Respond("yes")
			}
		}
	}))
	n, err := s.Spawn(Spec{Key: "n/0", Value: &witness{}})
	require.NoError(t, err)
	ctx := context.WithValue(t.Context(), nodeKey{}, n)
	require.Equal(t, s.Actors().Root, Root(ctx), "in no trace")
	ctx = trace.ContextWithSpanContext(ctx, spanContext(t, 1, "a=1"))
	want := map[string]string{"traceparent": "00-01000000000000000000000000000010-1100000000000018-01", "tracestate": "a=1"}
	Root(ctx).Send(pid, "x")
	require.Equal(t, want, <-got)
	_, err = Root(ctx).RequestFuture(pid, "x", tellPatience).Result()
	require.NoError(t, err)
	require.Equal(t, want, <-got)
	own := map[string]string{"traceparent": "mine"}
	Root(ctx).Send(pid, &protoactor.MessageEnvelope{Header: own, Message: "x"})
	require.Equal(t, own, <-got)

	shared := map[string]string{"tenant": "x"} // perhaps by several senders at once
	want["tenant"] = "x"
	Root(ctx).Send(pid, &protoactor.MessageEnvelope{Header: shared, Message: "x"})
	require.Equal(t, want, <-got)
	require.Equal(t, map[string]string{"tenant": "x"}, shared, "it is the sender's")

	s.Actors().Root.WithSenderMiddleware(func(next protoactor.SenderFunc) protoactor.SenderFunc {
		return func(c protoactor.SenderContext, target *protoactor.PID, m *protoactor.MessageEnvelope) {
			m.SetHeader("seen", "yes")
			next(c, target, m)
		}
	})
	delete(want, "tenant")
	want["seen"] = "yes"
	Root(ctx).Send(pid, "x")
	require.Equal(t, want, <-got, "what the application has set is asked too")
}

// Who is in no trace pays nothing: no memory, no bytes on the way.
func TestNoTraceNoCost(t *testing.T) {
	s, tr := NewSystem(Config{Table: NewTable()}), doMethod((*witness).See)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	tg := &target{key: "n/0"}
	n, err := s.Spawn(Spec{Key: "n/0", Value: &witness{}})
	require.NoError(t, err)
	inv := newInvocation(n, nobody)
	deadline, cancel := context.WithTimeout(inv, tellPatience)
	defer cancel()
	for name, ctx := range map[string]context.Context{"of nobody": context.Background(), "method": inv, "derived": deadline, "run": life{inv}} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			along := s.depart(ctx, tg, tr, trace.SpanKindProducer)
			if along != nil || along.encoded() != nil {
				panic("a trace")
			}
		}), name)
	}
}
