package transmit

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte // of a BytesType; shares memory with the message
	varint uint64 // of a VarintType, Fixed64Type
}

// fields calls each with the fields of a message in turn. The error wraps [ErrType], or is that of each.
func fields(b []byte, each func(field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return malformed(n)
		}
		b = b[n:]
		f := field{number: number, kind: kind}
		switch kind {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			f.varint, n = protowire.ConsumeFixed64(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return malformed(n)
		}
		if err := each(f); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// fixed64s calls each with the numbers of a repeated field, packed or not.
func (f field) fixed64s(each func(uint64)) error {
	switch f.kind {
	case protowire.Fixed64Type:
		each(f.varint)
	case protowire.BytesType:
		for rest := f.bytes; len(rest) > 0; rest = rest[8:] {
			v, n := protowire.ConsumeFixed64(rest)
			if n < 0 {
				return malformed(n)
			}
			each(v)
		}
	}
	return nil
}

func malformed(n int) error {
	return fmt.Errorf("%w: not a message of transmit.proto: %w", ErrType, protowire.ParseError(n))
}

// appendTag is protowire.AppendTag for numbers below 16, as a single byte.
func appendTag(b []byte, number protowire.Number, kind protowire.Type) []byte {
	return append(b, byte(number)<<3|byte(kind))
}
