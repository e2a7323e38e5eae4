package actor

import (
	"context"
	"fmt"
	"go/token"
	"hash/fnv"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// method is a callable method of one receiver type, concrete or interface.
type method struct {
	pc      uintptr // entry point of its expression; 0: it was found by name
	name    string
	recv    reflect.Type
	of      any    // a nil pointer to recv, where that is known by a type parameter: compared faster than recv
	arg     *codec // nil: takes none
	result  *codec // nil: returns only an error
	batched bool   // takes and returns slices; arg and result are those of one element
	hash    uint64
	tell    string // the labels of parcels: of a Tell
	call    string // and of a Call
	invoke  func(recv any, ctx context.Context, arg any) (any, error)
	// invokeBytes is set beside invoke where the argument is a []byte, which then need not be put into an interface.
	invokeBytes func(recv any, ctx context.Context, arg []byte) (any, error)
	// invokeBatch is set instead of invoke for a batched method.
	invokeBatch func(recv any, ctx context.Context, args []any) ([]any, error)
	err         error // why it cannot be called

	keeps atomic.Bool // it was seen to keep its argument: see pack
}

func (m *method) seal() {
	h := fnv.New64a()
	for i, c := range []*codec{m.arg, m.result} {
		if c == nil {
			fmt.Fprintf(h, "%d-", i)
			continue
		}
		fmt.Fprintf(h, "%d%x", i, c.describe)
		if m.err == nil && c.err != nil {
			m.err = fmt.Errorf("%v.%s: %w", m.recv, m.name, c.err)
		}
	}
	if m.batched {
		_, _ = h.Write([]byte("batched"))
	}
	m.hash = h.Sum64()
	m.tell, m.call = labelText(labelTell, m), labelText(labelCall, m)
}

// byEntry finds the method of a method expression by its entry point. It is
// copied on write: reads are on the path of every call, writes are few.
var byEntry struct {
	sync.Mutex
	m atomic.Pointer[map[entry]*method]
}

type entry struct {
	pc      uintptr
	recv    reflect.Type
	batched bool
}

// thunks holds the methods that were registered or called by expression, by
// concrete receiver type and name: the fast path for calls that come by name.
var thunks sync.Map // thunkKey → *method

type thunkKey struct {
	recv reflect.Type
	name string
}

// known returns the description of a method expression of receiver type T,
// or nil the first time.
func known[T any](f any, batched bool) *method {
	pc := reflect.ValueOf(f).Pointer()
	recent := &lately[pc>>4%uintptr(len(lately))]
	if m := recent.Load(); m != nil && m.pc == pc && m.batched == batched {
		if _, same := m.of.(*T); same {
			return m
		}
	}
	if all := byEntry.m.Load(); all != nil {
		m := (*all)[entry{pc, reflect.TypeFor[T](), batched}]
		recent.Store(m)
		return m
	}
	return nil
}

// lately are some of the methods that were asked for by their entry points: comparing costs less than hashing.
var lately [64]atomic.Pointer[method]

// learn describes the method expression f of receiver type T; build fills in
// what only the caller's type parameters know.
func learn[T any](f any, batched bool, build func(*method)) *method {
	key := entry{reflect.ValueOf(f).Pointer(), reflect.TypeFor[T](), batched}
	m := &method{pc: key.pc, recv: key.recv, of: (*T)(nil), batched: batched}
	m.name, m.err = expressionName(key.pc, key.recv)
	if m.err == nil {
		build(m)
		m.seal()
	}
	byEntry.Lock()
	defer byEntry.Unlock()
	next := map[entry]*method{key: m}
	if all := byEntry.m.Load(); all != nil {
		for k, v := range *all {
			next[k] = v
		}
	}
	byEntry.m.Store(&next)
	if m.err == nil && !batched && key.recv.Kind() != reflect.Interface {
		thunks.Store(thunkKey{key.recv, m.name}, m)
	}
	return m
}

// expressionName reads a method's name off the symbol that the compiler gave
// its method expression: "path/pkg.(*Type).Method" or "path/pkg.Type.Method".
// Function literals, method values and method expressions taken inside
// generic functions have other symbols and are refused.
func expressionName(pc uintptr, recv reflect.Type) (string, error) {
	f := runtime.FuncForPC(pc)
	if pc == 0 || f == nil {
		return "", fmt.Errorf("%w: nil function", ErrNotMethod)
	}
	symbol := f.Name()
	refuse := fmt.Errorf("%w: %s; write it as (*T).M or T.M, outside generic functions", ErrNotMethod, symbol)
	rest := symbol
	if i := strings.IndexByte(rest, '['); i >= 0 { // type arguments may hold slashes and dots
		if j := strings.LastIndexByte(rest, ']'); j > i {
			rest = rest[:i] + rest[j+1:]
		}
	}
	rest = rest[strings.LastIndexByte(rest, '/')+1:]
	parts := strings.Split(rest, ".")
	if len(parts) < 3 {
		return "", refuse
	}
	name, owner := parts[len(parts)-1], strings.Trim(parts[len(parts)-2], "(*)")
	owner, _, _ = strings.Cut(owner, "·") // types declared in functions are numbered
	base := recv
	if base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	want, _, _ := strings.Cut(base.Name(), "[")
	if owner != want {
		return "", refuse
	}
	if !token.IsExported(name) {
		return "", fmt.Errorf("%w: %s is unexported; other processes call methods by their exported names", ErrNotMethod, symbol)
	}
	if _, ok := recv.MethodByName(name); !ok {
		return "", refuse
	}
	if lifecycle[name] {
		return "", fmt.Errorf("%w: %s belongs to the node's life", ErrNoMethod, name)
	}
	return name, nil
}

// lifecycle methods are called by whoever runs the node, never by message.
var lifecycle = map[string]bool{"Start": true, "Run": true, "Stop": true}

// resolveMethod finds the method that a call by name means on a value of type t.
func resolveMethod(t reflect.Type, name string) (*method, error) {
	if m, ok := thunks.Load(thunkKey{t, name}); ok {
		return m.(*method), nil
	}
	if lifecycle[name] {
		return nil, fmt.Errorf("%w: %s belongs to the node's life", ErrNoMethod, name)
	}
	rm, ok := t.MethodByName(name)
	if !ok {
		return nil, fmt.Errorf("%w: %v has no method %s", ErrNoMethod, t, name)
	}
	m := reflected(t, rm)
	if m.err == nil {
		thunks.LoadOrStore(thunkKey{t, name}, m)
	}
	return m, m.err
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// reflected makes a method that is called through reflection, for types whose
// methods this process never names in an expression.
func reflected(t reflect.Type, rm reflect.Method) *method {
	m := &method{name: rm.Name, recv: t}
	ft := rm.Type // receiver first
	bad := ft.NumIn() < 2 || ft.NumIn() > 3 || ft.In(1) != contextType || ft.IsVariadic() ||
		ft.NumOut() < 1 || ft.NumOut() > 2 || ft.Out(ft.NumOut()-1) != errorType
	if bad {
		m.err = fmt.Errorf("%w: %v.%s is %v; a node's method takes a context and at most one argument, and returns at most one result and an error",
			ErrNoMethod, t, rm.Name, ft)
		return m
	}
	if ft.NumIn() == 3 {
		m.arg = codecFor(ft.In(2))
	}
	if ft.NumOut() == 2 {
		m.result = codecFor(ft.Out(0))
	}
	call := rm.Func
	m.invoke = func(recv any, ctx context.Context, arg any) (any, error) {
		in := [3]reflect.Value{reflect.ValueOf(recv), reflect.ValueOf(ctx)}
		n := 2
		if m.arg != nil {
			in[2] = reflect.ValueOf(arg)
			n = 3
		}
		out := call.Call(in[:n])
		err, _ := out[len(out)-1].Interface().(error)
		if m.result == nil || err != nil {
			return nil, err
		}
		return out[0].Interface(), nil
	}
	if m.arg != nil && m.arg.kind == codecBytes && m.result == nil {
		m.bind(rm)
	}
	m.seal()
	return m
}

// Registered is what [Method] and its siblings return, so that they can stand
// in a variable declaration.
type Registered struct{}

// Method registers a method that takes an argument and returns a result, so
// that calls of it from other processes need no reflection:
//
//	var _ = actor.Method((*Consumer).Add)
//
// Registering is never required. What is no method expression is ignored
// here and refused where it is called.
func Method[T, A, R any](f func(T, context.Context, A) (R, error)) Registered {
	_ = callMethod(f)
	return Registered{}
}

// Method0 is [Method] for a method without argument.
func Method0[T, R any](f func(T, context.Context) (R, error)) Registered {
	_ = call0Method(f)
	return Registered{}
}

// Action is [Method] for a method that returns only an error.
func Action[T, A any](f func(T, context.Context, A) error) Registered {
	_ = doMethod(f)
	return Registered{}
}

// Action0 is [Action] for a method without argument.
func Action0[T any](f func(T, context.Context) error) Registered {
	_ = do0Method(f)
	return Registered{}
}

func callMethod[T, A, R any](f func(T, context.Context, A) (R, error)) *method {
	if m := known[T](f, false); m != nil {
		return m
	}
	return learn[T](f, false, func(m *method) {
		m.arg, m.result = codecFor(reflect.TypeFor[A]()), codecFor(reflect.TypeFor[R]())
		m.invoke = func(recv any, ctx context.Context, arg any) (any, error) {
			return unboxed(f(recv.(T), ctx, arg.(A)))
		}
		if f, ok := any(f).(func(T, context.Context, []byte) (R, error)); ok {
			m.invokeBytes = func(recv any, ctx context.Context, arg []byte) (any, error) { return unboxed(f(recv.(T), ctx, arg)) }
		}
	})
}

func call0Method[T, R any](f func(T, context.Context) (R, error)) *method {
	if m := known[T](f, false); m != nil {
		return m
	}
	return learn[T](f, false, func(m *method) {
		m.result = codecFor(reflect.TypeFor[R]())
		m.invoke = func(recv any, ctx context.Context, _ any) (any, error) { return unboxed(f(recv.(T), ctx)) }
	})
}

func doMethod[T, A any](f func(T, context.Context, A) error) *method {
	if m := known[T](f, false); m != nil {
		return m
	}
	return learn[T](f, false, func(m *method) {
		m.arg = codecFor(reflect.TypeFor[A]())
		m.invoke = func(recv any, ctx context.Context, arg any) (any, error) { return nil, f(recv.(T), ctx, arg.(A)) }
		if f, ok := any(f).(func(T, context.Context, []byte) error); ok {
			m.invokeBytes = func(recv any, ctx context.Context, arg []byte) (any, error) { return nil, f(recv.(T), ctx, arg) }
		}
	})
}

func do0Method[T any](f func(T, context.Context) error) *method {
	if m := known[T](f, false); m != nil {
		return m
	}
	return learn[T](f, false, func(m *method) {
		m.invoke = func(recv any, ctx context.Context, _ any) (any, error) { return nil, f(recv.(T), ctx) }
	})
}

func batchMethod[T, A, R any](f func(T, context.Context, []A) ([]R, error)) *method {
	if m := known[T](f, true); m != nil {
		return m
	}
	return learn[T](f, true, func(m *method) {
		m.arg, m.result = codecFor(reflect.TypeFor[A]()), codecFor(reflect.TypeFor[R]())
		m.invokeBatch = func(recv any, ctx context.Context, args []any) ([]any, error) {
			in := make([]A, len(args))
			for i, a := range args {
				in[i] = a.(A)
			}
			out, err := f(recv.(T), ctx, in)
			if err != nil {
				return nil, err
			}
			results := make([]any, len(out))
			for i, r := range out {
				results[i] = r
			}
			return results, nil
		}
	})
}

// unboxed drops a result that comes with an error: there is only one of the two.
func unboxed[R any](r R, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}
