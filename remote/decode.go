package remote

import (
	"strings"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// A delivery is one checked envelope.
type delivery struct {
	target  *protoactor.PID
	sender  *protoactor.PID // nil: none
	header  map[string]string
	message any
}

const (
	serializerProto = 0
	serializerJSON  = 1

	unsetAddress = "nonhost" // what Proto.Actor writes into PIDs made before its address was known
)

// open checks the envelope at place i of b and decodes what it holds. from is the address of the peer, "" when it has
// not said; local is ours. A reason that is not empty says why the envelope has to be dropped.
func open(b *pb.MessageBatch, i int, from, local string) (delivery, Reason) {
	env := b.Envelopes[i]
	if env == nil {
		return delivery{}, BadEnvelope
	}
	if env.Target < 0 || int(env.Target) >= len(b.Targets) || env.TypeId < 0 || int(env.TypeId) >= len(b.TypeNames) ||
		env.Sender < 0 || int(env.Sender) > len(b.Senders) {
		return delivery{}, BadEnvelope
	}
	target := b.Targets[env.Target]
	if target == nil || target.Id == "" {
		return delivery{}, BadEnvelope
	}
	// Whatever address the peer knows us by, what has arrived here is for here: it is looked up by id alone.
	d := delivery{target: &protoactor.PID{Address: local, Id: target.Id, RequestId: env.TargetRequestId}}
	if reserved(target.Id) {
		return delivery{}, Reserved
	}
	if env.Sender > 0 {
		s := b.Senders[env.Sender-1]
		if s == nil || s.Id == "" {
			return delivery{}, BadEnvelope
		}
		if reserved(s.Id) { // an answer to it would go there
			return delivery{}, Reserved
		}
		address, ok := senderAddress(s.Address, from)
		if !ok {
			return delivery{}, BadEnvelope
		}
		d.sender = &protoactor.PID{Address: address, Id: s.Id, RequestId: env.SenderRequestId}
	}
	if env.MessageHeader != nil {
		d.header = env.MessageHeader.HeaderData
	}
	var reason Reason
	if d.message, reason = decode(env.SerializerId, b.TypeNames[env.TypeId], env.MessageData); reason != "" {
		return delivery{}, reason
	}
	return d, ""
}

// envelope checks a message of one of our own endpoints, as open does a stock peer's.
func (e *Endpoint) envelope(m *meta, data []byte, from string) (delivery, Reason) {
	d := delivery{target: m.to, header: m.header}
	d.target.Address = e.cfg.Address
	if d.target.Id == "" {
		return delivery{}, BadEnvelope
	}
	if reserved(d.target.Id) || m.sender != nil && reserved(m.sender.Id) {
		return delivery{}, Reserved
	}
	if m.sender != nil {
		address, ok := senderAddress(m.sender.Address, from)
		if !ok || m.sender.Id == "" {
			return delivery{}, BadEnvelope
		}
		m.sender.Address = address
		d.sender = m.sender
	}
	var reason Reason
	d.message, reason = decode(serializerProto, m.typ, data)
	return d, reason
}

// senderAddress repairs the address of a process that was started before its system had one.
func senderAddress(address, from string) (string, bool) {
	if address == unsetAddress || address == "" {
		return from, from != ""
	}
	return address, true
}

// reserved reports ids that belong to the actor system and panic or broadcast on what peers could send.
func reserved(id string) bool {
	return id == "eventstream" || id == "deadletter" || strings.HasPrefix(id, "guardian$")
}

// decode turns data into a registered message type.
func decode(serializer int32, typeName string, data []byte) (m any, reason Reason) {
	// Generated code and a type's own Deserialize see bytes of a stranger.
	defer func() {
		if recover() != nil {
			m, reason = nil, BadPayload
		}
	}()
	if serializer != serializerProto && serializer != serializerJSON {
		return nil, BadSerializer
	}
	name := protoreflect.FullName(typeName)
	if !name.IsValid() {
		return nil, UnknownType
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return nil, UnknownType
	}
	pm := t.New().Interface()
	if serializer == serializerJSON {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, pm)
	} else {
		err = proto.Unmarshal(data, pm)
	}
	if err != nil {
		return nil, BadPayload
	}
	if s, ok := pm.(pb.RootSerialized); ok {
		v, err := s.Deserialize()
		if err != nil {
			return nil, BadPayload
		}
		return v, ""
	}
	return pm, ""
}
