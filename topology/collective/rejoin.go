package collective

import (
	"context"
	"fmt"
	"maps"

	"github.com/tartrl/tlaunch-go/actor"
)

// How a member that was started again finds together with the others. It counts its operations from 1, as it does not know that there was another before it;
// they count on. Those who knew the other say so, whoever of the two asks first. Its operation under way then fails, and before the next it asks all how
// far they are: it takes part from the one on that nobody has come to. Of all before it says that it is not in them, so nobody waits for it there. What they have
// measured it takes over: it would measure, otherwise, while they do what they have measured for.

// rejoinLocked notes that the others know of another before this one. It is news until it has caught up: an operation that it has begun meanwhile fails as well.
func (m *Member) rejoinLocked() {
	if m.joined > 0 {
		return
	}
	m.rejoins = true
	if m.current != nil {
		m.current.failLocked(m.rejoinErrorLocked(), false)
	}
}

func (m *Member) rejoinErrorLocked() error {
	return &MissingError{Members: []string{m.plan.name(m.rank)}, Err: errRejoins}
}

// catchUp brings a member that was started again to where the others are.
func (m *Member) catchUp(ctx context.Context) error {
	m.mu.Lock()
	rejoins := m.rejoins
	m.mu.Unlock()
	if !rejoins {
		return nil
	}
	members := m.plan.shape.Len()
	asked := make([]*actor.Future[Status], members)
	for rank := range asked {
		if rank != m.rank {
			asked[rank] = actor.Go(ctx, m.ref(ctx, rank), Port.CollectiveAsk, Probe{From: m.rank, Instance: m.instance, Rejoins: true})
		}
	}
	newest, found := uint64(0), []int64(nil)
	for rank, f := range asked {
		if rank == m.rank {
			continue
		}
		s, err := f.Wait(ctx)
		switch {
		case err == nil:
			if s.Newest >= newest && len(s.Found) > 0 {
				found = s.Found
			}
			newest = max(newest, s.Newest)
		case ctx.Err() != nil: // the next tries again
			return fmt.Errorf("%s was started again, and asked how far the others are: %w", m.plan.name(m.rank), ctx.Err())
		}
	}
	m.mu.Lock()
	m.rejoins = false
	m.seq = max(m.seq, newest)
	m.joined = nextSeq(m.seq)
	m.auto = auto{}
	m.learnLocked(found)
	maps.DeleteFunc(m.aborts, func(seq uint64, _ *failure) bool { return seq < m.joined })
	m.dropLocked(func(k slotKey) bool { return k.seq < m.joined })
	due := m.dueLocked()
	m.mu.Unlock()
	m.grantAll(ctx, due)
	return nil
}
