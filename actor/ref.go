package actor

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// A Ref names a node of a program and carries the type by which it is called.
// Refs are values: they are compared with ==, kept in nodes and sent in
// messages. The zero Ref names nothing; calls on it return [ErrZeroRef].
type Ref[T any] struct{ target *target }

// Key is the node's name in its program: label, slash, number. It is empty
// for the zero Ref.
func (r Ref[T]) Key() string {
	if r.target == nil {
		return ""
	}
	return r.target.key
}

// String is Key, or "(zero ref)".
func (r Ref[T]) String() string {
	if r.target == nil {
		return "(zero ref)"
	}
	return r.target.key
}

// IsZero reports whether r names nothing.
func (r Ref[T]) IsZero() bool { return r.target == nil }

// PID is the node's address for Proto.Actor's own functions. The error wraps
// [ErrZeroRef], [ErrNoNode] or [ErrUnreachable] (the node's host has not
// joined yet).
func (r Ref[T]) PID() (*protoactor.PID, error) {
	if r.target == nil {
		return nil, ErrZeroRef
	}
	sys, err := r.target.system()
	if err != nil {
		return nil, err
	}
	return sys.pidOf(r.target)
}

// As gives the same node by an interface that its type implements, so that
// callers need not know the concrete type. Where T does not implement I the
// ref is returned all the same, and the program check as well as every call
// on it fail with [ErrNoMethod].
func As[I, T any](r Ref[T]) Ref[I] {
	i, t := reflect.TypeFor[I](), reflect.TypeFor[T]()
	if r.target == nil || i == t || i.Kind() == reflect.Interface && t.Implements(i) {
		return Ref[I](r)
	}
	why := fmt.Errorf("%w: %v does not implement %v", ErrNoMethod, t, i)
	if i.Kind() != reflect.Interface {
		why = fmt.Errorf("%w: As needs an interface, and %v is none", ErrNoMethod, i)
	}
	return Ref[I]{&target{key: r.target.key, table: r.target.table, err: why}}
}

// MarshalCBOR writes the node's name, and the empty text for the zero Ref.
func (r Ref[T]) MarshalCBOR() ([]byte, error) { return encMode.Marshal(r.Key()) }

// UnmarshalCBOR reads a node's name. A Ref that arrived in a message is tied
// to the receiving system before the method sees it.
func (r *Ref[T]) UnmarshalCBOR(data []byte) error {
	var key string
	if err := decMode.Unmarshal(data, &key); err != nil {
		return err
	}
	r.target = nil
	if key != "" {
		r.target = &target{key: key}
	}
	return nil
}

func (r *Ref[T]) bind(t *Table) {
	if r.target != nil && r.target.table == nil {
		r.target = t.find(r.target.key)
	}
}

type binder interface{ bind(*Table) }

// isRef reports whether t is an instance of Ref.
func isRef(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == refPackage && strings.HasPrefix(t.Name(), "Ref[")
}

var refPackage = reflect.TypeFor[Ref[int]]().PkgPath()

// bindRefs ties the refs in v, which was just decoded and belongs to nobody
// else, to t.
func bindRefs(v reflect.Value, t *Table) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			bindRefs(v.Elem(), t)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			bindRefs(v.Index(i), t)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			e := reflect.New(v.Type().Elem()).Elem() // map elements cannot be changed in place
			e.Set(it.Value())
			bindRefs(e, t)
			v.SetMapIndex(it.Key(), e)
		}
	case reflect.Struct:
		if isRef(v.Type()) {
			v.Addr().Interface().(binder).bind(t)
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct {
				bindRefs(v.Field(i), t)
			}
		}
	}
}

// target is the node behind refs. One table has one target per node, so refs
// of one process compare equal.
type target struct {
	key   string
	table *Table // nil only between decoding and binding
	err   error  // why every call must fail
	node  atomic.Pointer[Node]
	way   atomic.Pointer[way] // to it in another process, as it was found last
}

func (t *target) system() (*System, error) {
	if t.err != nil {
		return nil, t.err
	}
	if t.table == nil {
		return nil, fmt.Errorf("%w: %s is not tied to a program", ErrNoNode, t.key)
	}
	if sys := t.table.sys.Load(); sys != nil {
		return sys, nil
	}
	return nil, fmt.Errorf("%w: %s belongs to a program that is not running", ErrStopped, t.key)
}

// A Table holds the names of a program's nodes for one process of a run: refs
// are made from it, and those that arrive in messages are found in it.
// The zero value is not usable; see [NewTable].
type Table struct {
	mu      sync.Mutex
	targets map[string]*target
	sys     atomic.Pointer[System]
}

// NewTable returns a table without names.
func NewTable() *Table { return &Table{targets: map[string]*target{}} }

// NewRef returns the ref of the node named key and enters the name.
func NewRef[T any](t *Table, key string) Ref[T] {
	knowType[T]()
	t.mu.Lock()
	defer t.mu.Unlock()
	tg := t.targets[key]
	if tg == nil {
		tg = &target{key: key, table: t}
		t.targets[key] = tg
	}
	return Ref[T]{tg}
}

// find returns the entered target, or one whose calls fail: a peer must not
// be able to fill the table with names.
func (t *Table) find(key string) *target {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tg := t.targets[key]; tg != nil {
		return tg
	}
	return &target{key: key, table: t, err: fmt.Errorf("%w: %q is not in this program", ErrNoNode, key)}
}
