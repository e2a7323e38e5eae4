package actor

import (
	"context"
	"math"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// What a peer may send that is not by the rules.
type silent struct{ sent []proto.Message }

func (s *silent) Send(_ context.Context, to, from *protoactor.PID, m proto.Message) error {
	return s.SendNow(to, from, m)
}

func (s *silent) SendNow(_, _ *protoactor.PID, m proto.Message) error {
	s.sent = append(s.sent, proto.Clone(m))
	return nil
}

type counter struct{ n int }

func (c *counter) Add(_ context.Context, n int) (int, error) { c.n += n; return c.n, nil }
func (c *counter) Hold(ctx context.Context) error            { <-ctx.Done(); return ctx.Err() }

func hostileSystem(t testing.TB, window int) (*System, *silent) {
	tr := &silent{}
	s := NewSystem(Config{Host: "here", Table: NewTable(), Transport: tr, Window: window,
		Locate: func(string) (string, error) { return "there", nil }})
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s, tr
}

func from(address string, m any) any {
	return &protoactor.MessageEnvelope{Message: m, Sender: protoactor.NewPID(address, SystemID)}
}

func callOf(t testing.TB, id uint64, arg int) *wire.Call {
	m := callMethod((*counter).Add)
	data, err := m.arg.encode(arg)
	require.NoError(t, err)
	return &wire.Call{Id: id, Method: m.name, Signature: m.hash, Argument: data}
}

func replies(t *testing.T, tr *silent) []*wire.Reply {
	var out []*wire.Reply
	for _, m := range tr.sent {
		if r, ok := m.(*wire.Reply); ok {
			out = append(out, r)
		}
	}
	return out
}

func TestDuplicateCallIsDropped(t *testing.T) {
	s, tr := hostileSystem(t, 8)
	n, err := s.Spawn(Spec{Key: "n/0", Value: &counter{}})
	require.NoError(t, err)
	p := n.process
	p.SendUserMessage(nil, from("there", callOf(t, 5, 1)))
	p.SendUserMessage(nil, from("there", callOf(t, 5, 1)))
	p.SendUserMessage(nil, from("elsewhere", callOf(t, 5, 1))) // another's
	require.NoError(t, n.Start(t.Context()))
	require.NoError(t, n.Drain(t.Context()))
	require.Len(t, replies(t, tr), 2)
	require.EqualValues(t, 1, s.Stats().DeadLetters)
	require.Empty(t, s.inbound)
	p.SendUserMessage(nil, from("there", callOf(t, 5, 1))) // answered: the id may come again
	require.NoError(t, n.Drain(t.Context()))
	require.Len(t, replies(t, tr), 3)
}

func TestSenderBeyondItsWindowIsRefused(t *testing.T) {
	s, tr := hostileSystem(t, 4)
	n, err := s.Spawn(Spec{Key: "n/0", Value: &counter{}})
	require.NoError(t, err)
	p := n.process
	for id := range uint64(100) {
		p.SendUserMessage(nil, from("there", callOf(t, id, 1))) // the first is a tell
	}
	require.Equal(t, 8, n.Queued())
	for _, r := range replies(t, tr) {
		require.ErrorIs(t, errorFromWire(r.Error), ErrOverloaded)
	}
	require.Len(t, replies(t, tr), 92)
	require.NoError(t, n.Start(t.Context()))
	require.NoError(t, n.Drain(t.Context()))
	p.SendUserMessage(nil, from("there", callOf(t, 1000, 1)))
	require.NoError(t, n.Drain(t.Context()))
	last := replies(t, tr)
	require.Nil(t, last[len(last)-1].Error)
}

func TestRepliesOfOthersAreIgnored(t *testing.T) {
	s, tr := hostileSystem(t, 4)
	NewRef[*counter](s.table, "far/0")
	c := newCall(s, s.table.find("far/0"), callMethod((*counter).Add))
	require.NoError(t, s.sendCall(t.Context(), c, argumentOf(1), nil))
	id := tr.sent[0].(*wire.Call).Id
	box := &systemProcess{s}
	for _, address := range []string{"elsewhere", ""} {
		box.SendUserMessage(nil, from(address, &wire.Reply{Id: id, Result: []byte{1}}))
	}
	box.SendUserMessage(nil, from("there", &wire.Reply{Id: id + 1}))
	for range 3 { // nobody asked
		box.SendUserMessage(nil, from("there", &wire.ProbeHit{Call: id}))
	}
	box.SendUserMessage(nil, from("elsewhere", &wire.Credit{Node: "far/0", Messages: 1}))
	require.False(t, c.over())
	require.Equal(t, budget{1, 1}, s.windows[windowKey{"there", "far/0"}].out)
	box.SendUserMessage(nil, from("there", &wire.Reply{Id: id, Result: []byte{1}}))
	v, err := c.outcome()
	require.NoError(t, err)
	require.Equal(t, 1, v)
	require.Zero(t, s.windows[windowKey{"there", "far/0"}].out)
	require.Zero(t, s.Stats().Pending)
}

// Credit that comes late, of what was sent before a link was lost, is taken for that of later messages; what then comes for those is more
// than is out, and none of it may stay out.
func TestCreditIsNeverMoreThanIsOut(t *testing.T) {
	w := &window{limit: budget{4, 100}}
	for range 3 {
		_, err := w.acquire(t.Context(), nil, 10)
		require.NoError(t, err)
	}
	w.credit(budget{2, 25})
	require.Equal(t, budget{1, 5}, w.out)
	w.credit(budget{3, 30})
	require.Equal(t, budget{}, w.out)
	for _, back := range []budget{{1, 1}, {math.MaxInt, math.MaxInt}, {-1, 0}, {1, -1}, {0, 1}} {
		w.credit(back)
		require.Equal(t, budget{}, w.out)
	}
}

func TestUnreadableResultIsAnError(t *testing.T) {
	s, tr := hostileSystem(t, 4)
	NewRef[*counter](s.table, "far/0")
	c := newCall(s, s.table.find("far/0"), callMethod((*counter).Add))
	require.NoError(t, s.sendCall(t.Context(), c, argumentOf(1), nil))
	(&systemProcess{s}).SendUserMessage(nil, from("there", &wire.Reply{Id: tr.sent[0].(*wire.Call).Id, Result: []byte("\x63abc")}))
	_, err := c.wait(t.Context())
	require.ErrorIs(t, err, ErrSignature)
}

func TestUnknownCodeIsKept(t *testing.T) {
	for _, code := range []int32{-1, 99} {
		e := errorFromWire(&wire.Error{Code: code, Text: "of the future"})
		require.EqualValues(t, code, e.Code)
		require.EqualValues(t, code, e.toWire().Code)
		for _, sentinel := range sentinels {
			require.NotErrorIs(t, e, sentinel)
		}
	}
	require.Equal(t, CodeFailed, errorFromWire(&wire.Error{}).Code)
}

func FuzzInbound(f *testing.F) {
	seeds := []proto.Message{
		callOf(f, 0, 1), callOf(f, 7, 1), &wire.Call{Id: 1, Method: "Hold", Timeout: 1}, &wire.Call{Id: 3, Method: "Stop"},
		&wire.Call{Id: 4, Method: "Add", Batched: true, Chain: []*wire.Link{{}, {Node: "n/0"}}},
		&wire.Reply{Id: 1, Error: &wire.Error{Code: 3}}, &wire.Cancel{Id: 7}, &wire.Credit{Node: "far/0", Messages: 9},
		&wire.Probe{Call: 1, Path: []string{"n/0"}, Origin: &wire.Link{Node: "n/0"}}, &wire.Probe{}, &wire.ProbeHit{Call: 1},
	}
	kinds := []proto.Message{&wire.Call{}, &wire.Reply{}, &wire.Cancel{}, &wire.Credit{}, &wire.Probe{}, &wire.ProbeHit{}}
	for _, m := range seeds {
		data, err := proto.Marshal(m)
		require.NoError(f, err)
		for i, k := range kinds {
			if k.ProtoReflect().Descriptor() == m.ProtoReflect().Descriptor() {
				f.Add(byte(i), data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		m := kinds[int(kind)%len(kinds)].ProtoReflect().New().Interface()
		if proto.Unmarshal(data, m) != nil {
			return
		}
		tr := &locked{}
		s := NewSystem(Config{Host: "here", Table: NewTable(), Transport: tr, Window: 4, Locate: func(string) (string, error) { return "there", nil }})
		n, err := s.Spawn(Spec{Key: "n/0", Value: &counter{}})
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context()))
		for range 2 {
			n.process.SendUserMessage(nil, from("there", m))
			n.process.SendUserMessage(nil, m)
			(&systemProcess{s}).SendUserMessage(nil, from("there", m))
			(&systemProcess{s}).SendUserMessage(nil, m)
			s.actors.DeadLetter.SendUserMessage(protoactor.NewPID("here", "gone"), from("there", m))
		}
		require.NoError(t, s.Close(t.Context()))
		require.Empty(t, s.inbound)
	})
}

// locked takes messages from several goroutines and forgets them.
type locked struct{}

func (*locked) Send(context.Context, *protoactor.PID, *protoactor.PID, proto.Message) error {
	return nil
}
func (*locked) SendNow(*protoactor.PID, *protoactor.PID, proto.Message) error { return nil }
