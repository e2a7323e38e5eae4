package actor

import (
	"encoding"
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// survey is what inspecting a type found.
type survey struct {
	err    error
	flat   bool
	refs   bool
	cyclic bool
}

var (
	timeType          = reflect.TypeFor[time.Time]()
	cborMarshaler     = reflect.TypeFor[cbor.Marshaler]()
	cborUnmarshaler   = reflect.TypeFor[cbor.Unmarshaler]()
	binaryMarshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
	textMarshaler     = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler   = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// marshalsItself reports whether t brings its own encoding, both ways.
func marshalsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Implements(cborMarshaler) && p.Implements(cborUnmarshaler) ||
		t.Implements(binaryMarshaler) && p.Implements(binaryUnmarshaler) ||
		t.Implements(textMarshaler) && p.Implements(textUnmarshaler)
}

func inspect(t reflect.Type) survey {
	s := survey{flat: true}
	s.visit(t, t.String(), nil)
	return s
}

func (s *survey) refuse(path, why string) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: %s %s", ErrCannotTravel, path, why)
	}
}

func (s *survey) visit(t reflect.Type, path string, above []reflect.Type) {
	for _, a := range above {
		if a == t {
			s.cyclic = true
			return
		}
	}
	switch {
	case isRef(t):
		s.refs = true
		return
	case t == timeType:
		return
	case t.Kind() != reflect.Interface && marshalsItself(t):
		s.flat = false
		return
	}
	above = append(above, t)
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		s.refuse(path, "is a "+t.Kind().String()+", which means nothing in another process")
	case reflect.Complex64, reflect.Complex128:
		s.refuse(path, "is complex; send real and imaginary part")
	case reflect.Interface:
		s.refuse(path, fmt.Sprintf("is an interface (%v), whose concrete type would be lost; use a concrete type", t))
	case reflect.Array:
		s.visit(t.Elem(), path+"[]", above)
	case reflect.Slice:
		s.flat = false
		s.visit(t.Elem(), path+"[]", above)
	case reflect.Pointer:
		s.flat = false
		s.visit(t.Elem(), "*"+path, above)
	case reflect.Map:
		s.flat = false
		switch t.Key().Kind() {
		case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		default:
			s.refuse(path, fmt.Sprintf("has keys of type %v; use strings, integers or booleans", t.Key()))
		}
		s.visit(t.Elem(), path+"[]", above)
	case reflect.Struct:
		for i := range t.NumField() {
			s.field(t.Field(i), path, above)
		}
	}
}

func (s *survey) field(f reflect.StructField, path string, above []reflect.Type) {
	name := path + "." + f.Name
	if tagName(f) == "-" {
		s.flat = false // the author leaves it out; then so does a copy
		return
	}
	embedded := f.Anonymous && (f.Type.Kind() == reflect.Struct)
	switch {
	case f.Name == "_" || f.Type.Size() == 0 && !f.IsExported():
	case !f.IsExported() && !embedded:
		s.refuse(name, "is unexported and would be dropped; export it, or tag it `cbor:\"-\"` if it should be left out")
	default:
		s.visit(f.Type, name, above)
	}
}

// tagName is the name that a field's tag gives it, by the rules of the CBOR
// library: the cbor tag, else the json tag.
func tagName(f reflect.StructField) string {
	tag, ok := f.Tag.Lookup("cbor")
	if !ok {
		tag = f.Tag.Get("json")
	}
	if tag == "-" {
		return "-"
	}
	name, _, _ := strings.Cut(tag, ",")
	return name
}

// shallow reports whether v nests at most depth levels.
func shallow(v reflect.Value, depth int) bool {
	if depth == 0 {
		return false
	}
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || shallow(v.Elem(), depth-1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !shallow(v.Index(i), depth-1) {
				return false
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if !shallow(it.Value(), depth-1) {
				return false
			}
		}
	case reflect.Struct:
		if isRef(v.Type()) || v.Type() == timeType {
			return true
		}
		for i := range v.NumField() {
			if !shallow(v.Field(i), depth-1) {
				return false
			}
		}
	}
	return true
}

// structureHash hashes what two processes must agree on to exchange values of
// t: kinds and field names, not the names of types or packages.
func structureHash(t reflect.Type) uint64 {
	h := fnv.New64a()
	writeStructure(h.Write, t, nil)
	return h.Sum64()
}

func writeStructure(write func([]byte) (int, error), t reflect.Type, above []reflect.Type) {
	put := func(s string) { _, _ = write([]byte(s)) } // a hash never fails
	for i, a := range above {
		if a == t {
			put(fmt.Sprintf("^%d", len(above)-i))
			return
		}
	}
	above = append(above, t)
	switch {
	case isRef(t):
		put("ref")
	case t == timeType:
		put("time")
	case t.Implements(protoMessage):
		put("proto " + t.String())
	case t.Kind() != reflect.Interface && marshalsItself(t):
		put("own " + t.String())
	case t.Kind() == reflect.Pointer:
		put("*")
		writeStructure(write, t.Elem(), above)
	case t.Kind() == reflect.Slice:
		put("[]")
		writeStructure(write, t.Elem(), above)
	case t.Kind() == reflect.Array:
		put(fmt.Sprintf("[%d]", t.Len()))
		writeStructure(write, t.Elem(), above)
	case t.Kind() == reflect.Map:
		put("map[" + t.Key().Kind().String() + "]")
		writeStructure(write, t.Elem(), above)
	case t.Kind() == reflect.Struct:
		put("{")
		for i := range t.NumField() {
			f := t.Field(i)
			name := tagName(f)
			if name == "-" {
				continue
			}
			if name == "" {
				name = f.Name
			}
			put(name + " ")
			writeStructure(write, f.Type, above)
			put(";")
		}
		put("}")
	default:
		put(t.Kind().String())
	}
}
