package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// ErrType: a tensor is of another type or shape than it has to be.
var ErrType = errors.New("tensor: another type or shape")

// A DType is the type of a tensor's elements. Numbers are those of transmit.proto.
type DType int32

// The types of elements.
const (
	Bool     DType = 1
	Int8     DType = 2
	Uint8    DType = 3
	Int16    DType = 4
	Uint16   DType = 5
	Int32    DType = 6
	Uint32   DType = 7
	Int64    DType = 8
	Uint64   DType = 9
	Float16  DType = 10 // IEEE 754 binary16; Go has no such type, see [Tensor].Data
	BFloat16 DType = 11 // the upper half of a Float32; likewise
	Float32  DType = 12
	Float64  DType = 13
)

var dtypes = [...]struct {
	name string
	size int
}{
	{"unknown", 0}, {"bool", 1}, {"int8", 1}, {"uint8", 1}, {"int16", 2}, {"uint16", 2}, {"int32", 4}, {"uint32", 4},
	{"int64", 8}, {"uint64", 8}, {"float16", 2}, {"bfloat16", 2}, {"float32", 4}, {"float64", 8},
}

// Known tells whether it is one of the types.
func (d DType) Known() bool { return d > 0 && int(d) < len(dtypes) }

// Size is how many bytes an element has; 0 for what is no type.
func (d DType) Size() int {
	if !d.Known() {
		return 0
	}
	return dtypes[d].size
}

func (d DType) String() string {
	if !d.Known() {
		return fmt.Sprintf("dtype %d", int32(d))
	}
	return dtypes[d].name
}

// An Element is a Go type that tensors have.
type Element interface {
	bool | int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64
}

// TypeOf is the tensor type of a Go type.
func TypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case bool:
		return Bool
	case int8:
		return Int8
	case uint8:
		return Uint8
	case int16:
		return Int16
	case uint16:
		return Uint16
	case int32:
		return Int32
	case uint32:
		return Uint32
	case int64:
		return Int64
	case uint64:
		return Uint64
	case float32:
		return Float32
	}
	return Float64
}

// A Tensor is an array of numbers.
type Tensor struct {
	Type  DType
	Shape []int  // none: a single number
	Data  []byte // elements in row-major order, little-endian, without gaps
}

// Of is a tensor of values, which it may share memory with. Without a shape it
// has one dimension. Whether shape and values fit is found when it is used.
func Of[T Element](values []T, shape ...int) Tensor {
	if shape == nil {
		shape = []int{len(values)}
	}
	return Tensor{TypeOf[T](), shape, bytesOf(values)}
}

// Scalar is a tensor of one number, without dimensions.
func Scalar[T Element](value T) Tensor {
	t := Of([]T{value})
	t.Shape = nil
	return t
}

// Values are the elements of a tensor, which must be of type T; the error
// wraps [ErrType]. They may share memory with the tensor, and are to be read only.
func Values[T Element](t Tensor) ([]T, error) {
	if want := TypeOf[T](); t.Type != want {
		return nil, fmt.Errorf("%w: a tensor of %v is not one of %v", ErrType, t.Type, want)
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	return valuesOf[T](t.Data), nil
}

// Elements is how many elements the shape has, and -1 for one that cannot be.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		if d < 0 || d > 0 && n > math.MaxInt32/d {
			return -1
		}
		n *= d
	}
	return n
}

// Check says what of type, shape and data does not fit together. The error wraps [ErrType].
func (t Tensor) Check() error {
	if !t.Type.Known() {
		return fmt.Errorf("%w: %v", ErrType, t.Type)
	}
	if n := t.Elements(); n < 0 || n > math.MaxInt32/t.Type.Size() || n*t.Type.Size() != len(t.Data) {
		return fmt.Errorf("%w: %d bytes of %v are not of shape %v", ErrType, len(t.Data), t.Type, t.Shape)
	}
	return nil
}

// little tells whether this machine has numbers as tensors have them.
var little = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// bytesOf is the memory of values as a tensor has it: the same on most machines.
func bytesOf[T Element](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	size := int(unsafe.Sizeof(values[0]))
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*size)
	return swapped(b, size)
}

// valuesOf is the inverse of bytesOf. Bytes that do not lie where such values may are copied.
func valuesOf[T Element](b []byte) []T {
	if len(b) == 0 {
		return nil
	}
	var zero T
	size := int(unsafe.Sizeof(zero))
	n := len(b) / size
	if _, ok := any(zero).(bool); ok {
		values := make([]T, n)
		for i := range b { // any byte but 0 is true; memory of Go's bools holds 0 and 1 only
			*(*bool)(unsafe.Pointer(&values[i])) = b[i] != 0
		}
		return values
	}
	b = swapped(b, size)
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%unsafe.Alignof(zero) == 0 {
		return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
	}
	values := make([]T, n)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(b)), b)
	return values
}

// swapped is b with the bytes of each element the other way round, where the machine is big-endian.
func swapped(b []byte, size int) []byte {
	if little || size == 1 {
		return b
	}
	b = slices.Clone(b)
	for i := 0; i < len(b); i += size {
		slices.Reverse(b[i : i+size])
	}
	return b
}
