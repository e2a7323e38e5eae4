package collective

import (
	"context"

	"github.com/tartrl/tlaunch-go/actor"
)

// ParentOf is the ref of the member above this one in the group's shape, as a T, for protocols of one's own; false for the root. ctx is the
// node's. Where that member is no T, calls on the ref fail.
func ParentOf[T any](ctx context.Context, n Node) (ref actor.Ref[T], ok bool) {
	m := n.member()
	if m == nil || m.plan == nil {
		return ref, false
	}
	up, ok := m.plan.shape.Parent(m.rank)
	if !ok {
		return ref, false
	}
	return actor.RefIn[T](ctx, m.plan.name(up)), true
}

// ChildrenOf are the refs of the members below this one, in the shape's order. See [ParentOf].
func ChildrenOf[T any](ctx context.Context, n Node) []actor.Ref[T] {
	m := n.member()
	if m == nil || m.plan == nil {
		return nil
	}
	return refsOf[T](ctx, m.plan, m.plan.shape.Children(m.rank))
}

// PeersOf are the refs of all to whom this member is linked, by rank. See [ParentOf].
func PeersOf[T any](ctx context.Context, n Node) []actor.Ref[T] {
	m := n.member()
	if m == nil || m.plan == nil {
		return nil
	}
	return refsOf[T](ctx, m.plan, m.plan.shape.Peers(m.rank))
}

func refsOf[T any](ctx context.Context, p *plan, ranks []int) []actor.Ref[T] {
	refs := make([]actor.Ref[T], len(ranks))
	for i, rank := range ranks {
		refs[i] = actor.RefIn[T](ctx, p.name(rank))
	}
	return refs
}
