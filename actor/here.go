package actor

import "context"

// IsHere reports whether the node of ref lives in the process of ctx's node, as far as is known there: one that has not been made yet does not.
func IsHere[T any](ctx context.Context, ref Ref[T]) bool {
	n := nodeOf(ctx)
	return n != nil && ref.target != nil && n.sys.local(ref.target) != nil
}
