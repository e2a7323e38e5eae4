package actor

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// How values travel: a []byte as it is, protobuf messages as protobuf, all
// else as canonical CBOR (RFC 8949, section 4.2.1).

const maxNesting = 64

var encMode = must(func() (cbor.EncMode, error) {
	o := cbor.CoreDetEncOptions()
	o.Time = cbor.TimeRFC3339Nano
	o.TextMarshaler = cbor.TextMarshalerTextString
	o.NaNConvert = cbor.NaNConvertNone // a payload of floats arrives bit for bit
	o.InfConvert = cbor.InfConvertNone
	o.ShortestFloat = cbor.ShortestFloatNone
	return o.EncMode()
}())

var decMode = must(cbor.DecOptions{
	DupMapKey:        cbor.DupMapKeyEnforcedAPF,
	MaxNestedLevels:  4 * maxNesting,
	MaxArrayElements: 1<<31 - 1,
	MaxMapPairs:      1 << 24,
	TextUnmarshaler:  cbor.TextUnmarshalerTextString,
	UTF8:             cbor.UTF8DecodeInvalid, // Go strings may hold any bytes
}.DecMode())

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options are constants: only a change to this file can get here
	}
	return v
}

// codec moves values of one type.
type codec struct {
	typ      reflect.Type
	err      error // why values of this type cannot travel
	kind     codecKind
	flat     bool // a copy by assignment shares no mutable memory
	refs     bool // may hold refs, which must be bound after decoding
	cyclic   bool // the type contains itself, so values need a depth check
	bytes    int  // that a value takes in memory, without what it refers to
	describe uint64
}

type codecKind uint8

const (
	codecCBOR codecKind = iota
	codecBytes
	codecProto
)

var (
	codecs       sync.Map // reflect.Type → *codec
	protoMessage = reflect.TypeFor[proto.Message]()
	bytesType    = reflect.TypeFor[[]byte]()
)

func codecFor(t reflect.Type) *codec {
	if c, ok := codecs.Load(t); ok {
		return c.(*codec)
	}
	c := &codec{typ: t, bytes: int(t.Size())}
	switch {
	case t == bytesType:
		c.kind = codecBytes
	case isProto(t):
		c.kind = codecProto
	default:
		s := inspect(t)
		c.err, c.flat, c.refs, c.cyclic = s.err, s.flat, s.refs, s.cyclic
	}
	c.describe = structureHash(t)
	actual, _ := codecs.LoadOrStore(t, c)
	return actual.(*codec)
}

// isProto reports whether t is a generated message type: its zero value knows
// what it is, which that of a dynamic message does not.
func isProto(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer || !t.Implements(protoMessage) {
		return false
	}
	_, dynamic := reflect.Zero(t).Interface().(*dynamicpb.Message)
	return !dynamic
}

// An argument is what a message is given: bytes by themselves, since a value in an interface costs an allocation.
type argument struct {
	value any
	bytes []byte  // where the type is that of bytes
	room  *[]byte // these, where their memory is given away with them
}

func argumentOf[A any](arg A) argument {
	if b, ok := any(arg).([]byte); ok {
		return argument{bytes: b}
	}
	return argument{value: arg}
}

func (c *codec) encodeArgument(a argument) ([]byte, error) {
	if c.kind == codecBytes {
		return a.bytes, nil
	}
	return c.encode(a.value)
}

// encode returns v's bytes; they are v's own memory for a []byte.
func (c *codec) encode(v any) (data []byte, err error) {
	if c.err != nil {
		return nil, c.err
	}
	defer recovered(&err, ErrCannotTravel)
	switch c.kind {
	case codecBytes:
		return v.([]byte), nil
	case codecProto:
		m := v.(proto.Message)
		if rv := reflect.ValueOf(m); rv.Kind() == reflect.Pointer && rv.IsNil() {
			return nil, fmt.Errorf("%w: nil %v", ErrCannotTravel, c.typ)
		}
		b, err := proto.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrCannotTravel, err)
		}
		return b, nil
	}
	if c.cyclic && !shallow(reflect.ValueOf(v), maxNesting) {
		return nil, fmt.Errorf("%w: %v is nested more than %d deep, or contains itself", ErrCannotTravel, c.typ, maxNesting)
	}
	b, err := encMode.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCannotTravel, err)
	}
	return b, nil
}

// decode returns a value of the codec's type. It may alias data for a []byte.
func (c *codec) decode(data []byte, t *Table) (v any, err error) {
	if c.err != nil {
		return nil, c.err
	}
	defer recovered(&err, ErrSignature)
	switch c.kind {
	case codecBytes:
		return data, nil
	case codecProto:
		m := reflect.New(c.typ.Elem()).Interface().(proto.Message)
		if err := proto.Unmarshal(data, m); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrSignature, err)
		}
		return m, nil
	}
	p := reflect.New(c.typ)
	if err := decMode.Unmarshal(data, p.Interface()); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSignature, err)
	}
	if c.refs && t != nil {
		bindRefs(p.Elem(), t)
	}
	return p.Elem().Interface(), nil
}

// copy gives the receiver in this process a value of its own, and says how large that is: see [Node.Waiting]. With always
// set, even values that need no copy go through their encoding, so that a
// program tested in one process meets what a link would do to it.
func (c *codec) copy(v any, t *Table, always bool) (own any, size int, err error) {
	if c.err != nil {
		return nil, 0, c.err
	}
	if !always && c.flat {
		return v, c.bytes, nil
	}
	switch c.kind {
	case codecBytes:
		b := v.([]byte)
		return append(make([]byte, 0, len(b)), b...), len(b), nil // nil arrives as empty, as it does across a link
	case codecProto:
		if !always {
			if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
				return nil, 0, fmt.Errorf("%w: nil %v", ErrCannotTravel, c.typ)
			}
			m := v.(proto.Message)
			return proto.Clone(m), proto.Size(m), nil
		}
	}
	b, err := c.encode(v)
	if err != nil {
		return nil, 0, err
	}
	own, err = c.decode(b, t)
	return own, len(b), err
}

// Encode returns v's canonical encoding as it would travel in a message.
// The error wraps [ErrCannotTravel] and names the field that prevents it; a
// nil v has no type and cannot travel.
func Encode(v any) ([]byte, error) {
	if v == nil {
		return nil, errUntyped
	}
	data, err := codecFor(reflect.TypeOf(v)).encode(v)
	if b, ok := v.([]byte); ok {
		data = slices.Clone(b)
	}
	return data, err
}

// Decode fills *v from what [Encode] returned for a value of the same type;
// v is a pointer that is not nil. Refs in it are not tied to a program. The
// error wraps [ErrSignature] for other bytes, [ErrCannotTravel] for other v.
func Decode(data []byte, v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("%w: Decode needs a pointer to fill, and got %T", ErrCannotTravel, v)
	}
	if b, ok := v.(*[]byte); ok {
		*b = slices.Clone(data)
		return nil
	}
	got, err := codecFor(p.Type().Elem()).decode(data, nil)
	if err != nil {
		return err
	}
	p.Elem().Set(reflect.ValueOf(got))
	return nil
}

// CheckType says why values of v's type cannot travel, or nil when they can.
func CheckType(v any) error {
	if v == nil {
		return errUntyped
	}
	return codecFor(reflect.TypeOf(v)).err
}

var errUntyped = fmt.Errorf("%w: an untyped nil", ErrCannotTravel)
