package actor

import "context"

// RefIn gives the ref of another node of the program to which the node of ctx belongs, by its key. Calls on it fail with
// [ErrNoNode] where there is none of that key. Outside of a node it is the zero Ref.
func RefIn[T any](ctx context.Context, key string) Ref[T] {
	n := nodeOf(ctx)
	if n == nil {
		return Ref[T]{}
	}
	return Ref[T]{n.sys.table.find(key)}
}
