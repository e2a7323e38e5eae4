package transmit

import "github.com/tartrl/tlaunch-go/tensor"

// Tensors are those of package tensor.
type (
	// A DType is the type of a tensor's elements. Numbers are those of transmit.proto.
	DType = tensor.DType
	// A Tensor is an array of numbers.
	Tensor = tensor.Tensor
	// An Element is a Go type that tensors have.
	Element = tensor.Element
)

// The types of elements.
const (
	Bool     = tensor.Bool
	Int8     = tensor.Int8
	Uint8    = tensor.Uint8
	Int16    = tensor.Int16
	Uint16   = tensor.Uint16
	Int32    = tensor.Int32
	Uint32   = tensor.Uint32
	Int64    = tensor.Int64
	Uint64   = tensor.Uint64
	Float16  = tensor.Float16
	BFloat16 = tensor.BFloat16
	Float32  = tensor.Float32
	Float64  = tensor.Float64
)

// TypeOf is the tensor type of a Go type.
func TypeOf[T Element]() DType { return tensor.TypeOf[T]() }

// Of is a tensor of values, which it may share memory with. Without a shape it
// has one dimension. Whether shape and values fit is found when it is used.
func Of[T Element](values []T, shape ...int) Tensor { return tensor.Of(values, shape...) }

// Scalar is a tensor of one number, without dimensions.
func Scalar[T Element](value T) Tensor { return tensor.Scalar(value) }

// Values are the elements of a tensor, which must be of type T; the error
// wraps [ErrType]. They may share memory with the tensor, and are to be read only.
func Values[T Element](t Tensor) ([]T, error) { return tensor.Values[T](t) }
