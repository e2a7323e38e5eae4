package collective

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"runtime"
	"unsafe"
)

// An Element is what slices may hold that operations move: bytes and numbers of 32 and 64 bits.
type Element interface {
	~uint8 | Number
}

// A Number is what slices may hold that operations reckon with.
type Number interface {
	~int32 | ~int64 | ~float32 | ~float64
}

type elemKind uint8

const (
	elemNone elemKind = iota
	elemByte
	elemInt32
	elemInt64
	elemFloat32
	elemFloat64
)

func (k elemKind) String() string {
	names := []string{"nothing", "byte", "int32", "int64", "float32", "float64", "?"}
	return names[min(int(k), len(names)-1)]
}

func kindOf[E Element]() elemKind {
	return map[reflect.Kind]elemKind{
		reflect.Uint8: elemByte, reflect.Int32: elemInt32, reflect.Int64: elemInt64, reflect.Float32: elemFloat32, reflect.Float64: elemFloat64,
	}[reflect.TypeFor[E]().Kind()]
}

// bytesOf is the memory of a slice.
func bytesOf[E Element](s []E) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// numbersOf is bytes as what they are the memory of. They begin where such numbers may; see isAligned.
func numbersOf[E Number](b []byte) []E {
	var e E
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*E)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(e)))
}

// isAligned tells whether any numbers may begin where bytes do.
func isAligned(b []byte) bool { return len(b) == 0 || uintptr(unsafe.Pointer(&b[0]))%8 == 0 }

// A Reduction puts the slices of all members together, number by number. Its order is that of the algorithm, the same each time: so sums of
// floating-point numbers have the same bits each time, though not those of another algorithm or group.
type Reduction[E Number] struct {
	name    string
	combine func(to, a, b []E)         // to may be a or b
	finish  func(all []E, members int) // nil: nothing is left to do
}

// Sum adds numbers up.
func Sum[E Number]() Reduction[E] {
	return Reduction[E]{name: "sum", combine: func(to, a, b []E) {
		a, b = a[:len(to)], b[:len(to)]
		for i := range to {
			to[i] = a[i] + b[i]
		}
	}}
}

// Mean is the sum by the number of members; that of integers is cut off.
func Mean[E Number]() Reduction[E] {
	r := Sum[E]()
	r.name = "mean"
	r.finish = func(all []E, members int) {
		for i := range all {
			all[i] /= E(members)
		}
	}
	return r
}

// Min takes the smallest; one that is no number stays.
func Min[E Number]() Reduction[E] {
	return Reduction[E]{name: "min", combine: func(to, a, b []E) {
		a, b = a[:len(to)], b[:len(to)]
		for i := range to {
			to[i] = min(a[i], b[i])
		}
	}}
}

// Max takes the largest; one that is no number stays.
func Max[E Number]() Reduction[E] {
	return Reduction[E]{name: "max", combine: func(to, a, b []E) {
		a, b = a[:len(to)], b[:len(to)]
		for i := range to {
			to[i] = max(a[i], b[i])
		}
	}}
}

// By makes a reduction of a function of two numbers, for which the order must not matter: f(a, b) is f(b, a), and f(a, f(b, c)) is f(f(a, b), c).
// All members must give the same function.
func By[E Number](f func(a, b E) E) func() Reduction[E] {
	name := "nil"
	if f != nil {
		name = runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	}
	return func() Reduction[E] {
		r := Reduction[E]{name: name}
		if f != nil {
			r.combine = func(to, a, b []E) {
				a, b = a[:len(to)], b[:len(to)]
				for i := range to {
					to[i] = f(a[i], b[i])
				}
			}
		}
		return r
	}
}

// A reducer is a reduction of bytes.
type reducer struct {
	hash    uint32
	combine func(to, a, b []byte) // of the same length; to may be a or b
	finish  func(all []byte, members int)
}

func newReducer[E Number](by func() Reduction[E]) (*reducer, error) {
	if by == nil {
		return nil, fmt.Errorf("%w: no reduction; give Sum, Mean, Min, Max or By(f)", ErrArgument)
	}
	r := by()
	if r.combine == nil {
		return nil, fmt.Errorf("%w: a reduction without a function", ErrArgument)
	}
	made := &reducer{
		hash:    hashName(r.name),
		combine: func(to, a, b []byte) { r.combine(numbersOf[E](to), numbersOf[E](a), numbersOf[E](b)) },
		finish:  func([]byte, int) {},
	}
	if r.finish != nil {
		made.finish = func(all []byte, members int) { r.finish(numbersOf[E](all), members) }
	}
	return made, nil
}

// hashName is a reduction's name as it travels.
func hashName(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return h.Sum32()
}
