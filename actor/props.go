package actor

import (
	"context"
	"fmt"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// A PropsNode is the type of refs to nodes that are raw Proto.Actor actors:
// they have a PID and no methods.
type PropsNode struct{ _ byte }

// SpawnProps starts a raw Proto.Actor actor under the name key, with a bounded
// mailbox of the given capacity (zero and less: [DefaultCapacity]) in place of
// the unbounded one. Whoever sends to a full one is held up, for 30 seconds at
// most (a link, for 100 ms); then the message is a dead letter, as is what the
// actor leaves behind when it stops. The actor sees its first message,
// Started, after [System.StartProps]; until then messages gather.
func (s *System) SpawnProps(key string, props *protoactor.Props, capacity int) (*protoactor.PID, error) {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	if s.ctx.Err() != nil {
		return nil, fmt.Errorf("%w: system of %s", ErrStopped, s.host)
	}
	own := *props // the program's value is left as it is
	box := newPropsMailbox(s, key, capacity)
	own.Configure(protoactor.WithMailbox(func() protoactor.Mailbox { return box }))
	pid, err := s.actors.Root.SpawnNamed(&own, key)
	if err != nil {
		return nil, fmt.Errorf("actor: starting the actor of %s: %w", key, err)
	}
	s.mu.Lock()
	s.props[key] = &propsNode{pid, box}
	s.raw.Store(int32(len(s.props)))
	s.mu.Unlock()
	return pid, nil
}

// StartProps lets a raw actor begin.
func (s *System) StartProps(key string) {
	s.mu.Lock()
	p := s.props[key]
	s.mu.Unlock()
	if p != nil {
		p.box.release()
	}
}

// StopProps stops a raw actor and waits, under ctx, until it has stopped. It
// does nothing where there is no such actor.
func (s *System) StopProps(ctx context.Context, key string) error {
	s.mu.Lock()
	p := s.props[key]
	delete(s.props, key)
	s.raw.Store(int32(len(s.props)))
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	p.box.release()
	s.actors.Root.Stop(p.pid)
	select {
	case <-p.box.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: has not stopped: %w", key, ctx.Err())
	}
}

type propsNode struct {
	pid *protoactor.PID
	box *propsMailbox
}
