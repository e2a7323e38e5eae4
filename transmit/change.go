package transmit

import (
	"context"
	"fmt"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// A ChangeRequest asks for changes to items of a table. Programs use
// [UpdatePriorities], [Delete] and [Reset].
type ChangeRequest struct {
	Table      string
	Keys       []uint64
	Priorities []float64 // of Keys, in order; none: the items go
	All        bool      // all items go, and counting begins anew
}

// A ChangeReply says how many items were there to be changed.
type ChangeReply struct {
	Changed int
	Fault   *Fault
}

// Change handles a ChangeRequest.
func (n *Node) Change(_ context.Context, r ChangeRequest) (ChangeReply, error) {
	s := n.state
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.tables[r.Table]
	if sh == nil {
		return ChangeReply{Fault: faultOf(fmt.Errorf("%w: %q", ErrNoTable, r.Table))}, nil
	}
	defer s.settle(sh)
	reply := sh.change(r)
	if s.watcher != nil {
		s.watcher.changed(sh, r, reply.Changed)
	}
	return reply, nil
}

func (sh *shelf) change(r ChangeRequest) (reply ChangeReply) {
	if r.All {
		reply.Changed = sh.Len()
		sh.Reset()
		return reply
	}
	if len(r.Priorities) > 0 && len(r.Priorities) != len(r.Keys) {
		return ChangeReply{Fault: faultOf(fmt.Errorf("%w: %d priorities for %d keys", ErrRequest, len(r.Priorities), len(r.Keys)))}
	}
	for _, p := range r.Priorities { // all or none
		if err := sh.CheckPriority(p); err != nil {
			return ChangeReply{Fault: faultOf(err)}
		}
	}
	for i, k := range r.Keys {
		there := false
		if len(r.Priorities) > 0 {
			there = sh.Update(table.Key(k), r.Priorities[i])
		} else {
			there = sh.Delete(table.Key(k))
		}
		if there {
			reply.Changed++
		}
	}
	return reply
}

// UpdatePriorities gives items other priorities, and returns how many of them
// are still there. The keys are those that [Item] and [Insert] tell. When one
// priority cannot be, the error wraps [ErrPriority] and none is changed.
func UpdatePriorities(ctx context.Context, node Ref, table string, keys []uint64, priorities []float64) (int, error) {
	if len(keys) != len(priorities) {
		return 0, fmt.Errorf("%w: %d priorities for %d keys", ErrRequest, len(priorities), len(keys))
	}
	if len(keys) == 0 {
		return 0, nil
	}
	return change(ctx, node, ChangeRequest{Table: table, Keys: keys, Priorities: priorities})
}

// Delete removes items, and returns how many of them were still there.
func Delete(ctx context.Context, node Ref, table string, keys ...uint64) (int, error) {
	return change(ctx, node, ChangeRequest{Table: table, Keys: keys})
}

// Reset removes all items of a table, and lets its limiter count from nothing.
// It returns how many items there were.
func Reset(ctx context.Context, node Ref, table string) (int, error) {
	return change(ctx, node, ChangeRequest{Table: table, All: true})
}

func change(ctx context.Context, node Ref, r ChangeRequest) (int, error) {
	reply, err := actor.Call(ctx, node, (*Node).Change, r)
	if err == nil {
		err = reply.Fault.errorOf()
	}
	return reply.Changed, err
}
