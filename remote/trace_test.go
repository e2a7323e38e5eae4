package remote

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tartrl/tlaunch-go/actor"
)

// A witness is a node that says in which trace it is asked.
type witness struct{ told chan string }

func seen(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return "none"
	}
	return fmt.Sprint(sc.TraceID(), sc.SpanID(), sc.TraceFlags(), sc.TraceState())
}

func (w *witness) Ask(ctx context.Context, b []byte) (string, error) {
	return fmt.Sprint(len(b), " ", seen(ctx)), nil
}

func (w *witness) Tell(ctx context.Context, b []byte) error {
	w.told <- fmt.Sprint(len(b), " ", seen(ctx))
	return nil
}

// Pass asks a plain actor, in the trace of whoever has asked, what it is told of it.
func (w *witness) Pass(ctx context.Context, address *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	answer, err := actor.Root(ctx).RequestFuture(protoactor.NewPID(address.Value, "headed"), text("?"), 30*time.Second).Result()
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(seen(ctx) + " and " + answer.(*wrapperspb.StringValue).Value), nil
}

func inTrace(t *testing.T, flags trace.TraceFlags) context.Context {
	state, err := trace.ParseTraceState("a=1,b=2")
	require.NoError(t, err)
	return trace.ContextWithSpanContext(within(t, 60*time.Second), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{10}, SpanID: trace.SpanID{11}, TraceFlags: flags, TraceState: state,
	}))
}

// Section 4 of WIRE.md: a traced parcel, whole and in chunks.
func TestTraceOverALink(t *testing.T) {
	anyHouse(t, func(t *testing.T, h *house, _, _ *shelf) {
		w := &witness{make(chan string, 1)}
		n, err := h.systems["b"].Spawn(actor.Spec{Key: "b/1", Value: w})
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context()))
		ref := actor.NewRef[*witness](h.tables["a"], "b/1")
		for size, want := range map[int]string{10: "10", 20 << 10: "20480", 1 << 20: "1048576"} {
			for ctx, trace := range map[context.Context]string{
				within(t, 60*time.Second): "none",
				inTrace(t, 0):             "0a000000000000000000000000000000 0b00000000000000 00 a=1,b=2",
				inTrace(t, 1):             "0a000000000000000000000000000000 0b00000000000000 01 a=1,b=2",
			} {
				want := want + " " + trace
				got, err := actor.Call(ctx, ref, (*witness).Ask, make([]byte, size))
				require.NoError(t, err)
				require.Equal(t, want, got)
				require.NoError(t, actor.Tell(ctx, ref, (*witness).Tell, make([]byte, size)))
				require.Equal(t, want, receive(t, w.told))
			}
		}
		require.Empty(t, h.b.Stats().Peers[0].Drops)
	})
}

// A peer of version 2 gets the message without its trace.
func TestTraceIsLeftOutForAnOlderPeer(t *testing.T) {
	const version2 = 2
	for version, kind := range map[int]frameKind{version2: frameParcel, versionTraced: frameTraced} {
		h := newHouse(t, &shelf{}, &shelf{}, nil)
		c, err := net.Dial("tcp", h.b.cfg.Address)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(60*time.Second)))
		require.NoError(t, writeHello(c, helloOf(version2, version, "c:1", 1, "c", 1<<20, true).append(nil)))
		block, err := readHello(c)
		require.NoError(t, err)
		require.Equal(t, byte(welcomed), block[0])
		ctx := inTrace(t, 1)
		require.Eventually(t, func() bool { return h.b.peer("c:1").ready.Load() != nil }, 30*time.Second, time.Millisecond)
		r := h.b.Route("c:1")
		require.NoError(t, r.Post(ctx, actor.Parcel{Target: "c/0", Label: "l", Head: []byte("trace and head"), Traced: 5, Body: []byte("body")}))
		require.NoError(t, r.PostNow(actor.Parcel{Target: "c/0", Label: "l", Head: []byte("trace and head"), Traced: 5, Body: []byte("body")}))
		s := &kinds{conn: c}
		require.ErrorIs(t, newReader(c, s, 1<<20).run(), net.ErrClosed)
		want := "c/0 l \"\" \" and head\" body"
		if kind == frameTraced {
			want = "c/0 l \"trace\" \" and head\" body"
		}
		require.Equal(t, []string{want, want}, s.got)
	}
}

// kinds notes parcels, and hangs up after two.
type kinds struct {
	collected
	conn net.Conn
	got  []string
}

func (k *kinds) parcel(m *meta, body []byte, _ *[]byte) {
	k.got = append(k.got, fmt.Sprintf("%s %s %q %q %s", m.target.Text, m.label.Text, m.trace, m.head, body))
	if len(k.got) == 2 {
		_, _ = k.conn.Write(voidFrame)
		k.conn.Close()
	}
}

// In a stock process what asks and is asked says in which trace it is, by the headers of W3C.
func TestTraceWithStock(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	sys := actor.NewSystem(actor.Config{Table: actor.NewTable()})
	t.Cleanup(func() { require.NoError(t, sys.Close(context.Background())) })
	e := start(t, Config{System: sys.Actors(), Address: l.Addr().String(), InsecurePlaintext: true})
	serve(t, e, l)
	n, err := sys.Spawn(actor.Spec{Key: "n/0", Value: &witness{}})
	require.NoError(t, err)
	require.NoError(t, n.Start(t.Context()))
	s := startStock(t, nil)
	ask := func(parent string) report {
		return s.do(t, `{"Do":"ask","Address":%q,"ID":"n/0","Text":%q,"Header":{"traceparent":%q,"tracestate":"a=1"}}`, e.cfg.Address, s.address, parent)
	}
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	require.Equal(t, report{Text: "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 01 a=1 and map[traceparent:" + parent + " tracestate:a=1]"}, ask(parent))
	require.Equal(t, report{Text: "none and map[]"}, ask("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"), "cut off: the message goes on without")
	require.EqualValues(t, 1, sys.Stats().BadTraces)
	require.Empty(t, e.Stats().Peers[0].Drops)
}
