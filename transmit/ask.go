package transmit

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// ask, answer and so on are the messages of transmit.proto by the same names.
// Of oneof fields at most one is there.
type ask struct {
	id          uint64
	write, read []byte // nil: not there; the node decodes them
	change      *ChangeRequest
	value       *valueRequest
}

type valueRequest struct {
	kind  uint64
	name  string
	value []byte
}

// The kinds of ValueRequest.
const (
	valueSend = iota
	valueGet
	valuePut
	valueTake
)

type valueReply struct {
	value   []byte
	version uint64
}

type answer struct {
	id          uint64
	fault       *Fault
	write, read []byte // nil: not there
	changed     int
	value       *valueReply
}

func decodeAsk(b []byte) (*ask, error) {
	a := &ask{}
	err := fields(b, func(f field) (err error) {
		switch {
		case f.number == 1 && f.kind == protowire.VarintType:
			a.id = f.varint
		case f.kind != protowire.BytesType:
		case f.number == 2:
			*a = ask{id: a.id, write: f.bytes}
		case f.number == 3:
			*a = ask{id: a.id, read: f.bytes}
		case f.number == 4:
			*a = ask{id: a.id}
			a.change, err = decodeChange(f.bytes)
		case f.number == 5:
			*a = ask{id: a.id}
			a.value, err = decodeValueRequest(f.bytes)
		}
		return err
	})
	return a, err
}

func decodeChange(b []byte) (*ChangeRequest, error) {
	r := &ChangeRequest{}
	err := fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			r.Table = string(f.bytes)
		case f.number == 2:
			return f.fixed64s(func(v uint64) { r.Keys = append(r.Keys, v) })
		case f.number == 3:
			return f.fixed64s(func(v uint64) { r.Priorities = append(r.Priorities, math.Float64frombits(v)) })
		case f.number == 4 && f.kind == protowire.VarintType:
			r.All = f.varint != 0
		}
		return nil
	})
	return r, err
}

func decodeValueRequest(b []byte) (*valueRequest, error) {
	r := &valueRequest{}
	err := fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.VarintType:
			r.kind = f.varint
		case f.number == 2 && f.kind == protowire.BytesType:
			r.name = string(f.bytes)
		case f.number == 3 && f.kind == protowire.BytesType:
			r.value = f.bytes
		}
		return nil
	})
	return r, err
}

func (a *answer) encode(b []byte) []byte {
	b = appendUint(b, 1, a.id)
	switch {
	case a.fault != nil:
		return a.fault.append(b, 2)
	case a.write != nil:
		return protowire.AppendBytes(appendTag(b, 3, protowire.BytesType), a.write)
	case a.read != nil:
		return protowire.AppendBytes(appendTag(b, 4, protowire.BytesType), a.read)
	case a.value != nil:
		return appendMessage(b, 6, func(b []byte) []byte {
			if len(a.value.value) > 0 {
				b = protowire.AppendBytes(appendTag(b, 1, protowire.BytesType), a.value.value)
			}
			return appendUint(b, 2, a.value.version)
		})
	}
	return protowire.AppendVarint(appendTag(b, 5, protowire.VarintType), uint64(a.changed))
}
