package actor

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// A FoundRef is a ref that lies somewhere in a node's value.
type FoundRef struct {
	Path  string // such as ".consumers[2]"
	Key   string // the node it names; empty for a zero Ref
	Table *Table // whose table it is from
	Err   error  // why calls on it would fail
}

// Walked is what [Walk] found in a value.
type Walked struct {
	Refs     []FoundRef
	Pointers map[uintptr]string // mutable memory that the value reaches, and by which path
	Digest   [sha256.Size]byte  // of everything comparable between processes that the value holds
}

// Opaque is implemented by types whose contents must not enter a digest.
type Opaque interface{ OpaqueToDigest() }

var opaqueType = reflect.TypeFor[Opaque]()

// Walk looks through v, unexported fields included, for refs and shared
// memory, and digests what it holds. It does not see what a function literal
// captures, and does not look inside types of the standard library.
func Walk(v any) Walked {
	w := &walker{hash: sha256.New(), seen: map[visit]bool{}, found: Walked{Pointers: map[uintptr]string{}}}
	w.value(reflect.ValueOf(v), "")
	w.found.Digest = [sha256.Size]byte(w.hash.Sum(nil))
	return w.found
}

type visit struct {
	at  uintptr
	typ reflect.Type
}

type walker struct {
	hash  hash.Hash
	seen  map[visit]bool
	found Walked
}

func (w *walker) put(parts ...string) {
	for _, s := range parts {
		w.hash.Write(binary.AppendUvarint(nil, uint64(len(s))))
		w.hash.Write([]byte(s))
	}
}

// enter records memory and reports whether it has not been looked at before.
func (w *walker) enter(at uintptr, t reflect.Type, path string) bool {
	if at == 0 {
		return false
	}
	if _, ok := w.found.Pointers[at]; !ok {
		w.found.Pointers[at] = path
	}
	k := visit{at, t}
	if w.seen[k] {
		return false
	}
	w.seen[k] = true
	return true
}

func (w *walker) value(v reflect.Value, path string) {
	if !v.IsValid() {
		w.put("nil")
		return
	}
	t := v.Type()
	w.put(t.String())
	if isRef(t) {
		w.ref(v, path)
		return
	}
	if t.Implements(opaqueType) {
		return
	}
	if t == timeType {
		w.time(v)
		return
	}
	if isStandard(t) && t.Kind() == reflect.Struct {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		w.put(fmt.Sprint(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.put(fmt.Sprint(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.put(fmt.Sprint(v.Uint()))
	case reflect.Float32, reflect.Float64:
		w.put(fmt.Sprint(math.Float64bits(v.Float())))
	case reflect.Complex64, reflect.Complex128:
		w.put(fmt.Sprint(v.Complex()))
	case reflect.String:
		w.put(v.String())
	case reflect.Func:
		if f := runtime.FuncForPC(v.Pointer()); f != nil {
			w.put(f.Name())
		}
	case reflect.Chan:
		w.enter(v.Pointer(), t, path)
	case reflect.Pointer:
		if isStandard(t.Elem()) && t.Elem() != timeType || t.Elem().Size() == 0 { // zero-sized values share one address
			return
		}
		if w.enter(v.Pointer(), t, path) {
			w.value(v.Elem(), path)
		}
	case reflect.Interface:
		w.value(v.Elem(), path)
	case reflect.Slice:
		w.put(fmt.Sprint(v.Len()))
		if v.Len() == 0 || t.Elem().Size() == 0 || w.enter(v.Pointer(), t, path) {
			w.elements(v, path)
		}
	case reflect.Array:
		w.elements(v, path)
	case reflect.Map:
		if w.enter(v.Pointer(), t, path) {
			w.entries(v, path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(v.Field(i), path+"."+t.Field(i).Name)
		}
	}
}

// time digests an instant by its numbers, which reflection reads in unexported
// fields too; its location is a pointer.
func (w *walker) time(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.CanUint():
			w.put(fmt.Sprint(f.Uint()))
		case f.CanInt():
			w.put(fmt.Sprint(f.Int()))
		}
	}
}

func (w *walker) elements(v reflect.Value, path string) {
	if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
		w.put(string(v.Bytes()))
		return
	}
	for i := range v.Len() {
		w.value(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// entries visits a map in the order of its keys. Keys that mean nothing in
// another process, such as pointers, have no such order: what lies under them
// is searched, but stays out of the digest.
func (w *walker) entries(v reflect.Value, path string) {
	w.put(fmt.Sprint(v.Len()))
	keys := v.MapKeys()
	if len(keys) > 0 && !keys[0].CanInt() && !keys[0].CanUint() && !keys[0].CanFloat() && keys[0].Kind() != reflect.String && keys[0].Kind() != reflect.Bool {
		digest := w.hash
		w.hash = sha256.New()
		defer func() { w.hash = digest }()
	} else {
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(plainText(a), plainText(b)) })
	}
	for _, k := range keys {
		p := fmt.Sprintf("%s[%v]", path, plainText(k))
		w.value(k, p)
		w.value(v.MapIndex(k), p)
	}
}

// plainText prints a key by its kind, past any String of its type.
func plainText(k reflect.Value) string {
	switch {
	case k.CanInt():
		return fmt.Sprint(k.Int())
	case k.CanUint():
		return fmt.Sprint(k.Uint())
	case k.CanFloat():
		return fmt.Sprint(k.Float())
	case k.Kind() == reflect.String:
		return k.String()
	case k.Kind() == reflect.Bool:
		return fmt.Sprint(k.Bool())
	}
	return k.Type().String()
}

func (w *walker) ref(v reflect.Value, path string) {
	f := FoundRef{Path: path}
	if t := (*target)(v.Field(0).UnsafePointer()); t != nil {
		f.Key, f.Table, f.Err = t.key, t.table, t.err
	}
	w.found.Refs = append(w.found.Refs, f)
	w.put(f.Key)
}

// standardRoots are the first elements of the standard library's import
// paths. A dot would not do to tell: modules need none in their names.
var standardRoots = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range strings.Fields(`archive bufio bytes cmp compress container context crypto database debug embed encoding errors
		expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect regexp runtime
		slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak`) {
		m[s] = true
	}
	return m
}()

func isStandard(t reflect.Type) bool {
	root, _, _ := strings.Cut(t.PkgPath(), "/")
	return standardRoots[root]
}
