package remote

import (
	"strings"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// stringBatch is a sound batch with one message to x from y, for tests to spoil.
func stringBatch() *pb.MessageBatch {
	data, _ := proto.Marshal(text("sound"))
	return &pb.MessageBatch{
		TypeNames: []string{"google.protobuf.StringValue"},
		Targets:   []*protoactor.PID{protoactor.NewPID("b:1", "x")},
		Senders:   []*protoactor.PID{protoactor.NewPID("a:1", "y")},
		Envelopes: []*pb.MessageEnvelope{{MessageData: data, Sender: 1, TargetRequestId: 7, SenderRequestId: 8}},
	}
}

func systemBatch(m proto.Message) *pb.MessageBatch {
	b := stringBatch()
	b.TypeNames[0] = string(proto.MessageName(m))
	b.Envelopes[0].MessageData, _ = proto.Marshal(m)
	return b
}

// hostileCases says for each way of spoiling a batch what becomes of the spoilt message. "" is delivered.
var hostileCases = []struct {
	name   string
	batch  func() *pb.MessageBatch
	reason Reason
}{
	{"sound", stringBatch, ""},
	{"no sender", edit(func(b *pb.MessageBatch) { b.Envelopes[0].Sender = 0 }), ""},
	{"nil envelope", edit(func(b *pb.MessageBatch) { b.Envelopes[0] = nil }), BadEnvelope},
	{"target beyond", edit(func(b *pb.MessageBatch) { b.Envelopes[0].Target = 1 }), BadEnvelope},
	{"target negative", edit(func(b *pb.MessageBatch) { b.Envelopes[0].Target = -1 }), BadEnvelope},
	{"target far", edit(func(b *pb.MessageBatch) { b.Envelopes[0].Target = 1<<31 - 1 }), BadEnvelope},
	{"no targets", edit(func(b *pb.MessageBatch) { b.Targets = nil }), BadEnvelope},
	{"nil target", edit(func(b *pb.MessageBatch) { b.Targets[0] = nil }), BadEnvelope},
	{"empty target", edit(func(b *pb.MessageBatch) { b.Targets[0].Id = "" }), BadEnvelope},
	{"type beyond", edit(func(b *pb.MessageBatch) { b.Envelopes[0].TypeId = 1 }), BadEnvelope},
	{"type negative", edit(func(b *pb.MessageBatch) { b.Envelopes[0].TypeId = -5 }), BadEnvelope},
	{"no types", edit(func(b *pb.MessageBatch) { b.TypeNames = nil }), BadEnvelope},
	{"sender beyond", edit(func(b *pb.MessageBatch) { b.Envelopes[0].Sender = 2 }), BadEnvelope},
	{"sender negative", edit(func(b *pb.MessageBatch) { b.Envelopes[0].Sender = -1 }), BadEnvelope},
	{"nil sender", edit(func(b *pb.MessageBatch) { b.Senders[0] = nil }), BadEnvelope},
	{"empty sender", edit(func(b *pb.MessageBatch) { b.Senders[0].Id = "" }), BadEnvelope},
	{"unknown type", edit(func(b *pb.MessageBatch) { b.TypeNames[0] = "no.such.Type" }), UnknownType},
	{"empty type", edit(func(b *pb.MessageBatch) { b.TypeNames[0] = "" }), UnknownType},
	{"an enum as type", edit(func(b *pb.MessageBatch) { b.TypeNames[0] = "actor.TerminatedReason" }), UnknownType},
	{"unknown serializer", edit(func(b *pb.MessageBatch) { b.Envelopes[0].SerializerId = 2 }), BadSerializer},
	{"negative serializer", edit(func(b *pb.MessageBatch) { b.Envelopes[0].SerializerId = -1 }), BadSerializer},
	{"truncated data", edit(func(b *pb.MessageBatch) { b.Envelopes[0].MessageData = []byte{0x0a, 0xff} }), BadPayload},
	{"JSON that is none", edit(func(b *pb.MessageBatch) { b.Envelopes[0].SerializerId = 1 }), BadPayload},
	{"deep JSON", edit(func(b *pb.MessageBatch) {
		b.Envelopes[0].SerializerId = 1
		b.TypeNames[0] = "actor.PID" // the unknown field is skipped, however deep
		b.Envelopes[0].MessageData = []byte(strings.Repeat(`{"a":`, 1<<20))
	}), BadPayload},
	{"guardian", edit(func(b *pb.MessageBatch) { b.Targets[0].Id = "guardian$1" }), Reserved},
	{"event stream", edit(func(b *pb.MessageBatch) { b.Targets[0].Id = "eventstream" }), Reserved},
	{"dead letters", edit(func(b *pb.MessageBatch) { b.Targets[0].Id = "deadletter" }), Reserved},
	{"from a guardian", edit(func(b *pb.MessageBatch) {
		b.Senders[0] = protoactor.NewPID("b:1", "guardian$1")
	}), Reserved},
	{"from the event stream", edit(func(b *pb.MessageBatch) { b.Senders[0].Id = "eventstream" }), Reserved},
	{"nobody", edit(func(b *pb.MessageBatch) { b.Targets[0].Id, b.Envelopes[0].Sender = "nobody", 0 }), NoProcess},
	{"a process that panics", edit(func(b *pb.MessageBatch) { b.Targets[0].Id = "panics" }), Panicked},
	{"watch by nobody", func() *pb.MessageBatch { return systemBatch(&protoactor.Watch{}) }, BadSystem},
	{"watch for a third", func() *pb.MessageBatch {
		return systemBatch(&protoactor.Watch{Watcher: protoactor.NewPID("c:1", "z")})
	}, BadSystem},
	{"unwatch by nobody", func() *pb.MessageBatch { return systemBatch(&protoactor.Unwatch{}) }, BadSystem},
	{"end of nobody", func() *pb.MessageBatch { return systemBatch(&protoactor.Terminated{}) }, BadSystem},
	{"end of the unwatched", func() *pb.MessageBatch {
		return systemBatch(&protoactor.Terminated{Who: protoactor.NewPID("a:1", "z")})
	}, Unwatched},
	{"stop a future", func() *pb.MessageBatch {
		b := systemBatch(&protoactor.Stop{})
		b.Targets[0].Id = "future$1"
		return b
	}, BadSystem},
	{"watch a future", func() *pb.MessageBatch {
		b := systemBatch(&protoactor.Watch{Watcher: protoactor.NewPID("a:1", "z")})
		b.Targets[0].Id = "future$1"
		return b
	}, BadSystem},
}

func edit(f func(*pb.MessageBatch)) func() *pb.MessageBatch {
	return func() *pb.MessageBatch {
		b := stringBatch()
		f(b)
		return b
	}
}

type panicking struct{ protoactor.Process }

func (panicking) SendUserMessage(*protoactor.PID, any) { panic("as expected") }

func TestBadEnvelopesAreDroppedAlone(t *testing.T) {
	for _, c := range hostileCases {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, Config{Address: "b:1", InsecurePlaintext: true, Dial: newNetwork().dial})
			in, _ := newInbox(t, e, "x", 4)
			e.system.ProcessRegistry.Add(panicking{}, "panics")
			p := e.peer("a:1")

			e.deliverBatch(p, c.batch())
			e.deliverBatch(p, stringBatch()) // the next one is not affected
			if c.reason == "" {
				require.Empty(t, p.stats().Drops)
				require.Len(t, in.user, 2)
				return
			}
			require.Equal(t, map[Reason]uint64{c.reason: 1}, p.stats().Drops)
			require.Len(t, in.user, 1)
			require.Empty(t, in.system)
		})
	}
}

func TestWhatADeliveryLooksLike(t *testing.T) {
	d, reason := open(stringBatch(), 0, "a:1", "b:1")
	require.Empty(t, reason)
	require.True(t, proto.Equal(&protoactor.PID{Address: "b:1", Id: "x", RequestId: 7}, d.target))
	require.True(t, proto.Equal(&protoactor.PID{Address: "a:1", Id: "y", RequestId: 8}, d.sender))

	b := stringBatch()
	b.Senders[0].Address = "nonhost"
	b.Targets[0].Address = "an.alias:9"
	d, reason = open(b, 0, "a:1", "b:1")
	require.Empty(t, reason)
	require.Equal(t, "a:1", d.sender.Address, "a process that was started before its system had an address")
	require.Equal(t, "b:1", d.target.Address)
	_, reason = open(b, 0, "", "b:1")
	require.Equal(t, BadEnvelope, reason, "from a peer that has no address either")
}

func TestJSONPayload(t *testing.T) {
	b := stringBatch()
	b.TypeNames[0] = "actor.DeadLetterResponse"
	b.Envelopes[0].SerializerId = serializerJSON
	b.Envelopes[0].MessageData = []byte(`{"Target":{"Address":"c:1","Id":"z","requestId":3},"fromTheFuture":true}`)
	d, reason := open(b, 0, "a:1", "b:1")
	require.Empty(t, reason)
	require.True(t, proto.Equal(&protoactor.DeadLetterResponse{
		Target: &protoactor.PID{Address: "c:1", Id: "z", RequestId: 3},
	}, d.message.(proto.Message)))
}

// FuzzFrame feeds the reader what a peer could send.
func FuzzFrame(f *testing.F) {
	for _, c := range hostileCases {
		if c.name == "deep JSON" {
			continue // too long for a seed
		}
		raw, err := proto.Marshal(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: c.batch()}})
		if err == nil {
			f.Add(raw)
		}
	}
	raw, _ := proto.Marshal(connectRequest("system", "a:1"))
	f.Add(raw)
	f.Add([]byte{0x22, 0})
	f.Add([]byte{})
	e := start(f, Config{Address: "b:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	e.system.ProcessRegistry.Add(swallow{}, "x")
	e.system.ProcessRegistry.Add(panicking{swallow{}}, "panics")
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := e.newLink(nil)
		l.p = e.peer("a:1")
		l.handle(raw)
		l.sends = true
		l.handle(raw)
	})
}

type swallow struct{}

func (swallow) SendUserMessage(_ *protoactor.PID, m any) {
	if m.(*protoactor.MessageEnvelope).Message == nil {
		panic("nothing to deliver")
	}
}
func (swallow) SendSystemMessage(*protoactor.PID, any) {}
func (swallow) Stop(*protoactor.PID)                   {}

// FuzzPayload decodes what an envelope could hold.
func FuzzPayload(f *testing.F) {
	j, _ := protojson.Marshal(&protoactor.Watch{Watcher: protoactor.NewPID("a:1", "x")})
	f.Add(int32(1), "actor.Watch", j)
	f.Add(int32(0), "actor.Terminated", []byte{0x0a, 0})
	f.Add(int32(0), "google.protobuf.Any", []byte{0x0a, 1, 'x'})
	f.Add(int32(1), "google.protobuf.Any", []byte(`{"@type":"type.googleapis.com/google.protobuf.Any"}`))
	f.Fuzz(func(t *testing.T, serializer int32, name string, data []byte) {
		m, reason := decode(serializer, name, data)
		require.Equal(t, reason == "", m != nil)
	})
}

// FuzzEncoder checks that what is encoded is what is decoded.
func FuzzEncoder(f *testing.F) {
	f.Add("x", "y", "hello", uint32(1), uint32(2), "k", "v")
	f.Fuzz(func(t *testing.T, to, from, body string, toRequest, fromRequest uint32, key, value string) {
		target := &protoactor.PID{Address: "b:1", Id: to, RequestId: toRequest}
		var sender *protoactor.PID
		if from != "" {
			sender = &protoactor.PID{Address: "a:1", Id: from, RequestId: fromRequest}
		}
		it, err := newItem(target, sender, map[string]string{key: value}, wrapperspb.Bytes([]byte(body)), 1<<20)
		if err != nil {
			return
		}
		enc := newEncoder()
		for range 2 { // its tables do not leak from one batch into the next
			raw, err := proto.Marshal(enc.batch([]item{it, it}))
			require.NoError(t, err)
			require.LessOrEqual(t, len(raw), 2*it.size, "the size that batches are cut by")
			var m pb.RemoteMessage
			require.NoError(t, proto.Unmarshal(raw, &m))
			require.Len(t, m.GetMessageBatch().Targets, 1)
			for i := range 2 {
				d, reason := open(m.GetMessageBatch(), i, "a:1", "b:1")
				if reserved(to) || reserved(from) {
					require.Equal(t, Reserved, reason)
					continue
				}
				require.Empty(t, reason)
				require.True(t, proto.Equal(target, d.target))
				require.True(t, proto.Equal(sender, d.sender))
				require.Equal(t, body, string(d.message.(*wrapperspb.BytesValue).Value))
				require.Equal(t, map[string]string{key: value}, d.header)
			}
		}
	})
}
