package actor

import (
	"context"
	"reflect"
)

// bind lets a method that reflection has found, and that takes bytes and returns only an error, be called as a function of that type: which takes half of the
// time of a call through reflection. Such a function holds the value whose method it is, so each node has its own.
func (m *method) bind(index int) {
	m.invokeBytes = func(recv any, ctx context.Context, arg []byte) (any, error) {
		inv, ok := ctx.(*invocation)
		if !ok {
			return m.invoke(recv, ctx, arg)
		}
		f, ok := inv.node.bound.Load(m)
		if !ok {
			f, _ = inv.node.bound.LoadOrStore(m, reflect.ValueOf(recv).Method(index).Interface())
		}
		return nil, f.(func(context.Context, []byte) error)(ctx, arg)
	}
}
