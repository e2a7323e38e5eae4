package transmit

import (
	"context"

	"github.com/tartrl/tlaunch-go/actor"
)

// PeekValue returns the latest value of a register, with version 0 where there is none.
func (n *Node) PeekValue(_ context.Context, name string) (ValueReply, error) {
	s := n.state
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.registers[name]
	if r == nil {
		return ValueReply{}, nil
	}
	return ValueReply{Value: r.value, Version: r.version}, nil
}

// Peek returns the latest value and its version, and does not wait for one:
// where there is none yet the version is 0.
func (r Register[T]) Peek(ctx context.Context) (value T, version uint64, err error) {
	reply, err := peekValue(ctx, r.Node, r.Name)
	if err != nil || reply.Version == 0 {
		return value, 0, err
	}
	return decodeValue[T](reply, nil)
}

func peekValue(ctx context.Context, node Ref, name string) (ValueReply, error) {
	return actor.Call(ctx, node, (*Node).PeekValue, name)
}
