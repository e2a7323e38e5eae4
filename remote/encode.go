package remote

import (
	"errors"
	"fmt"
	"unicode/utf8"

	protoactor "github.com/asynkron/protoactor-go/actor"
	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/protobuf/proto"
)

// An item is one encoded message on its way out.
type item struct {
	target, sender *protoactor.PID // sender may be nil; neither is changed after it was queued
	typeName       string
	data           []byte
	header         map[string]string
	size           int // about what it takes on the wire

	to     string  // the id of target
	parcel bool    // of package actor: target and sender are nil, typeName is the label
	head   []byte  // of a parcel
	traced uint16  // bytes of head that say what trace the parcel belongs to
	owned  bool    // data and head are nobody else's
	room   *[]byte // where data is, if that is lent
}

const (
	batchBytes   = 256 << 10 // a batch is cut here; far below the 4 MiB that a stock peer accepts
	envelopeCost = 64        // what an envelope and its table entries take beside their strings, at most
)

// newItem encodes m now, so that the sender may change it afterwards.
func newItem(to, from *protoactor.PID, header map[string]string, m proto.Message, limit int) (item, error) {
	if err := wellFormed(to, from, header); err != nil {
		return item{}, err
	}
	data, err := proto.Marshal(m)
	if err != nil {
		return item{}, fmt.Errorf("remote: encode %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	if len(data) > limit {
		return item{}, fmt.Errorf("%w: %s of %d bytes, the limit is %d", ErrTooLarge,
			m.ProtoReflect().Descriptor().FullName(), len(data), limit)
	}
	it := item{target: to, sender: from, typeName: string(proto.MessageName(m)), data: data, header: header, to: to.Id, owned: true}
	it.size = envelopeCost + len(data) + len(it.typeName) + len(to.Address) + len(to.Id)
	if from != nil {
		it.size += len(from.Address) + len(from.Id)
	}
	for k, v := range header {
		it.size += len(k) + len(v) + 16
	}
	if it.size-len(data) > frameOverhead/2 {
		return item{}, fmt.Errorf("%w: PIDs and header take %d bytes, the limit is %d", ErrTooLarge, it.size-len(data), frameOverhead/2)
	}
	return it, nil
}

// wellFormed refuses what would spoil a whole batch: strings on the wire are UTF-8.
func wellFormed(to, from *protoactor.PID, header map[string]string) error {
	if to == nil || to.Id == "" || to.Address == "" {
		return errors.New("remote: a message needs a target with an address and an id")
	}
	texts := []string{to.Id, to.Address}
	if from != nil {
		texts = append(texts, from.Id, from.Address)
	}
	for k, v := range header {
		texts = append(texts, k, v)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return fmt.Errorf("remote: %q, in a PID or a header, is not UTF-8", s)
		}
	}
	return nil
}

// An encoder builds batches. It belongs to one writer and reuses its tables.
type encoder struct {
	types   map[string]int32
	targets map[pidKey]int32
	senders map[pidKey]int32
}

type pidKey struct{ address, id string }

func newEncoder() *encoder {
	return &encoder{types: map[string]int32{}, targets: map[pidKey]int32{}, senders: map[pidKey]int32{}}
}

// batch puts items into one message of the wire.
func (e *encoder) batch(items []item) *pb.RemoteMessage {
	clear(e.types)
	clear(e.targets)
	clear(e.senders)
	b := &pb.MessageBatch{Envelopes: make([]*pb.MessageEnvelope, len(items))}
	envelopes := make([]pb.MessageEnvelope, len(items))
	for i := range items {
		it, env := &items[i], &envelopes[i]
		b.Envelopes[i] = env
		id, ok := e.types[it.typeName]
		if !ok {
			id = int32(len(b.TypeNames))
			e.types[it.typeName] = id
			b.TypeNames = append(b.TypeNames, it.typeName)
		}
		env.TypeId = id
		env.MessageData = it.data
		env.Target, b.Targets = index(e.targets, it.target, b.Targets)
		env.TargetRequestId = it.target.RequestId
		if it.sender != nil {
			env.Sender, b.Senders = index(e.senders, it.sender, b.Senders)
			env.Sender++ // zero says that there is none
			env.SenderRequestId = it.sender.RequestId
		}
		if len(it.header) > 0 {
			env.MessageHeader = &pb.MessageHeader{HeaderData: it.header}
		}
	}
	return &pb.RemoteMessage{MessageType: &pb.RemoteMessage_MessageBatch{MessageBatch: b}}
}

// index finds pid in a table, adding it when it is new. Request ids travel beside the table.
func index(seen map[pidKey]int32, pid *protoactor.PID, table []*protoactor.PID) (int32, []*protoactor.PID) {
	key := pidKey{pid.Address, pid.Id}
	if i, ok := seen[key]; ok {
		return i, table
	}
	i := int32(len(table))
	seen[key] = i
	return i, append(table, protoactor.NewPID(pid.Address, pid.Id))
}
