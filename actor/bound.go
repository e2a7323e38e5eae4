package actor

import (
	"context"
	"reflect"
	"sync"
)

// bind lets a method that reflection has found, and that takes bytes and returns only an error, be called as a function, which takes a fraction of the time of a
// call through reflection. Where a ref of its receiver's type was made in this process, as each that [NewRef] makes for a node of a program is, that is the
// method itself. Elsewhere it is a function that holds the value whose method it is, so each node has its own.
func (m *method) bind(rm reflect.Method) {
	if bound, ok := binders.Load(m.recv); ok {
		if m.invokeBytes = bound.(func(any) bytesAction)(rm.Func.Interface()); m.invokeBytes != nil {
			return
		}
	}
	m.invokeBytes = func(recv any, ctx context.Context, arg []byte) (any, error) {
		inv, ok := ctx.(*invocation)
		if !ok {
			return m.invoke(recv, ctx, arg)
		}
		f, ok := inv.node.bound.Load(m)
		if !ok {
			f, _ = inv.node.bound.LoadOrStore(m, reflect.ValueOf(recv).Method(rm.Index).Interface())
		}
		return nil, f.(func(context.Context, []byte) error)(ctx, arg)
	}
}

// A bytesAction calls a method that takes bytes, of the value that it is given.
type bytesAction = func(recv any, ctx context.Context, arg []byte) (any, error)

// binders make such of methods of a type, given as functions whose first argument is the receiver, by that type. What type that is only a type parameter
// can say: reflection finds the function, and without its static type has to lay out the arguments of each call by itself.
var binders sync.Map // reflect.Type → func(any) bytesAction

// knowType notes the type of nodes.
func knowType[T any]() {
	if t := reflect.TypeFor[T](); t.Kind() != reflect.Interface {
		binders.LoadOrStore(t, bytesActionOf[T])
	}
}

// bytesActionOf is nil where f is no method of T that takes bytes and returns only an error.
func bytesActionOf[T any](f any) bytesAction {
	call, ok := f.(func(T, context.Context, []byte) error)
	if !ok {
		return nil
	}
	return func(recv any, ctx context.Context, arg []byte) (any, error) { return nil, call(recv.(T), ctx, arg) }
}
