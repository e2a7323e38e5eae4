package collective

import (
	"context"

	"github.com/tartrl/tlaunch-go/actor"
)

// How members tell each other that there is room again for what they send.

// release gives back a packet that was used: its window and its memory.
func (m *Member) release(ctx context.Context, p *packet) {
	m.used(ctx, p)
	p.free()
}

// used gives the window of a packet back to its sender, once that is worth a message.
func (m *Member) used(ctx context.Context, p *packet) {
	if p.used {
		return
	}
	p.used = true
	m.mu.Lock()
	e := &m.edges[p.from]
	e.parked -= len(p.whole)
	e.owed += len(p.whole)
	grant := e.owed
	if grant < grantBytes {
		m.mu.Unlock()
		return
	}
	e.owed = 0
	m.mu.Unlock()
	m.grant(ctx, p.from, grant)
}

// dueLocked takes what is worth giving back to others; nil: nothing. Of what came too late for its operation nobody else thinks.
func (m *Member) dueLocked() (due map[int]int) {
	for rank := range m.edges {
		if e := &m.edges[rank]; e.owed >= grantBytes {
			if due == nil {
				due = map[int]int{}
			}
			due[rank], e.owed = e.owed, 0
		}
	}
	return due
}

// grantAll gives back what dueLocked has taken.
func (m *Member) grantAll(ctx context.Context, due map[int]int) {
	for rank, bytes := range due {
		m.grant(ctx, rank, bytes)
	}
}

// grant gives window back. Where it cannot, as ctx is over, the next operation does.
func (m *Member) grant(ctx context.Context, to, bytes int) {
	h := header{kind: kindGrant, from: m.rank, credit: uint64(bytes), instance: m.instance}
	message := make([]byte, headerSize)
	h.put(message)
	if err := actor.Tell(ctx, m.ref(ctx, to), Port.Collective, message); err == nil || isGone(err) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.edges[to].owed += bytes
}
