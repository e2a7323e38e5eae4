package transmit

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// A Step is what one moment has, by name: observation, action, reward …
type Step map[string]Tensor

// Encode appends the message Step of transmit.proto to b. The error wraps [ErrType].
func (s Step) Encode(b []byte) ([]byte, error) {
	var few [8]string
	names := slices.AppendSeq(few[:0], maps.Keys(s))
	slices.Sort(names)
	for _, name := range names {
		t := s[name]
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("%w: the name %q is not UTF-8", ErrType, name)
		}
		shape := 0
		for _, d := range t.Shape {
			shape += protowire.SizeVarint(uint64(d))
		}
		size := 1 + protowire.SizeVarint(uint64(t.Type))
		for _, n := range [...]int{len(name), shape, len(t.Data)} {
			if n > 0 {
				size += 1 + protowire.SizeBytes(n)
			}
		}
		b = appendTag(b, 1, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(size))
		b = appendText(b, 1, name)
		b = appendUint(b, 2, uint64(t.Type))
		if shape > 0 {
			b = protowire.AppendVarint(appendTag(b, 3, protowire.BytesType), uint64(shape))
			for _, d := range t.Shape {
				b = protowire.AppendVarint(b, uint64(d))
			}
		}
		if len(t.Data) > 0 {
			b = protowire.AppendBytes(appendTag(b, 4, protowire.BytesType), t.Data)
		}
	}
	return b, nil
}

// room is what an encoding takes at most, but for dimensions of more than 2²¹.
func (s Step) room() (n int) {
	const heads = 5 + 6 + 2 + 6 + 6 // tags and lengths of the tensor, name, type, shape, data
	for name, t := range s {
		n += heads + len(name) + 3*len(t.Shape) + len(t.Data)
	}
	return n
}

// DecodeStep reads the message Step of transmit.proto, packed or not. The data of tensors
// share memory with b. The error wraps [ErrType].
func DecodeStep(b []byte) (Step, error) {
	s := Step{}
	packed, err := s.decode(b)
	if err != nil {
		return nil, err
	}
	if packed == nil {
		return s, nil
	}
	if len(s) > 0 {
		return nil, fmt.Errorf("%w: a step with tensors inside and outside of zstd", ErrType)
	}
	if b, err = unpack(packed); err != nil {
		return nil, err
	}
	if packed, err = s.decode(b); err == nil && packed != nil {
		err = fmt.Errorf("%w: a step that was packed twice", ErrType)
	}
	return s, err
}

// decode adds the tensors of a message to s, and returns what is packed in it.
func (s Step) decode(b []byte) (packed []byte, err error) {
	err = fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			name, t, err := decodeTensor(f.bytes)
			if err != nil {
				return err
			}
			if _, twice := s[name]; twice {
				return fmt.Errorf("%w: two tensors are called %q", ErrType, name)
			}
			s[name] = t
		case f.number == 2 && f.kind == protowire.BytesType:
			packed = f.bytes
		}
		return nil
	})
	return packed, err
}

// errFound ends a search.
var errFound = errors.New("transmit: found")

// tensorOf finds one tensor of an encoded step.
func tensorOf(step []byte, name string) (found Tensor, err error) {
	err = fields(step, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType && isCalled(f.bytes, name):
			if _, found, err = decodeTensor(f.bytes); err != nil {
				return err
			}
			return errFound
		case f.number == 2 && f.kind == protowire.BytesType: // it is packed
			whole, err := DecodeStep(step)
			if err != nil {
				return err
			}
			if t, ok := whole[name]; ok {
				found = t
				return errFound
			}
		}
		return nil
	})
	switch {
	case err == errFound:
		return found, nil
	case err == nil:
		err = fmt.Errorf("%w: the step has no %q", ErrType, name)
	}
	return Tensor{}, err
}

// isCalled tells whether an encoded tensor has a name: the last that it says.
func isCalled(tensor []byte, name string) bool {
	called := name == ""
	_ = fields(tensor, func(f field) error { // who decodes it says what is wrong
		if f.number == 1 && f.kind == protowire.BytesType {
			called = string(f.bytes) == name
		}
		return nil
	})
	return called
}

func decodeTensor(b []byte) (name string, t Tensor, err error) {
	dim := func(d uint64) error {
		if d > math.MaxInt32 {
			return fmt.Errorf("%w: %d elements in one dimension", ErrType, d)
		}
		t.Shape = append(t.Shape, int(d))
		return nil
	}
	err = fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			name = string(f.bytes)
		case f.number == 2 && f.kind == protowire.VarintType:
			t.Type = DType(min(f.varint, math.MaxInt32))
		case f.number == 3 && f.kind == protowire.VarintType:
			return dim(f.varint)
		case f.number == 3 && f.kind == protowire.BytesType:
			for rest := f.bytes; len(rest) > 0; {
				d, n := protowire.ConsumeVarint(rest)
				if n < 0 {
					return fmt.Errorf("%w: shape: %w", ErrType, protowire.ParseError(n))
				}
				if err := dim(d); err != nil {
					return err
				}
				rest = rest[n:]
			}
		case f.number == 4 && f.kind == protowire.BytesType:
			t.Data = f.bytes
		}
		return nil
	})
	if err == nil {
		err = t.Check()
	}
	if err == nil && !utf8.ValidString(name) {
		err = fmt.Errorf("%w: the name %q is not UTF-8", ErrType, name)
	}
	if err != nil {
		return "", Tensor{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	return name, t, nil
}

// A Column says what each step of a table has under a name.
type Column struct {
	Name  string
	Type  DType
	Shape []int // -1: any size
}

// appendColumns appends the fields that say what columns are, the same for the same ones in whatever order.
func appendColumns(b []byte, number protowire.Number, columns []Column) []byte {
	byName := func(a, b Column) int { return strings.Compare(a.Name, b.Name) }
	for _, c := range slices.SortedFunc(slices.Values(columns), byName) {
		b = appendMessage(b, number, func(b []byte) []byte {
			b = appendUint(appendText(b, 1, c.Name), 2, uint64(c.Type))
			if len(c.Shape) == 0 {
				return b
			}
			return appendMessage(b, 3, func(b []byte) []byte {
				for _, d := range c.Shape {
					b = protowire.AppendVarint(b, uint64(d))
				}
				return b
			})
		})
	}
	return b
}

// checkColumns says how a step is not what columns say; nil columns take any.
func checkColumns(columns []Column, s Step) error {
	if len(columns) == 0 {
		return nil
	}
	for _, c := range columns {
		t, ok := s[c.Name]
		if !ok {
			return fmt.Errorf("%w: there is no %q, which is to be %v of shape %v", ErrType, c.Name, c.Type, c.Shape)
		}
		fits := t.Type == c.Type && len(t.Shape) == len(c.Shape)
		for i := range c.Shape {
			fits = fits && (c.Shape[i] == -1 || c.Shape[i] == t.Shape[i])
		}
		if !fits {
			return fmt.Errorf("%w: %q is %v of shape %v, and is to be %v of shape %v", ErrType, c.Name, t.Type, t.Shape, c.Type, c.Shape)
		}
	}
	if len(s) == len(columns) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name }) {
			return fmt.Errorf("%w: the table has no column %q", ErrType, name)
		}
	}
	return nil
}
