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
	m.usedLocked(p)
	due := m.takeDueLocked(nil, p.from, p.lane)
	m.mu.Unlock()
	m.grantAll(ctx, due)
}

// A due is window to be given back to another member.
type due struct {
	to    int
	lane  *inlane // on whose messages; nil: those of the link
	bytes int
	come  uint64 // messages of the lane
}

// dueLocked takes what is worth giving back to others. Of what came too late for its operation nobody else thinks.
func (m *Member) dueLocked() (all []due) {
	for rank := range m.edges {
		all = m.takeDueLocked(all, rank, nil)
	}
	for rank, in := range m.inlanes {
		all = m.takeDueLocked(all, rank, in)
	}
	return all
}

func (m *Member) takeDueLocked(all []due, rank int, in *inlane) []due {
	a, least, d := &m.edges[rank].account, grantBytes, due{to: rank, lane: in}
	if in != nil {
		a, least, d.come = &in.account, laneGrants, in.come
	}
	if a.owed < least && (in == nil || in.come-in.told < laneCount) {
		return all
	}
	if in != nil {
		in.told = in.come
	}
	d.bytes, a.owed = a.owed, 0
	return append(all, d)
}

// grantAll gives back what dueLocked has taken.
func (m *Member) grantAll(ctx context.Context, all []due) {
	for _, d := range all {
		if d.lane != nil {
			d.lane.grant(d.bytes, d.come)
		} else {
			m.grant(ctx, d.to, d.bytes)
		}
	}
}

// grant gives window of the link back. Where it cannot, as ctx is over, the next operation does.
func (m *Member) grant(ctx context.Context, to, bytes int) {
	h := header{kind: kindGrant, from: m.rank, credit: uint64(bytes), instance: m.instance}
	if err := m.say(ctx, to, h); err == nil || isGone(err) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.edges[to].owed += bytes
}

// say sends a message that is a header alone, over the link.
func (m *Member) say(ctx context.Context, to int, h header) error {
	message := make([]byte, headerSize)
	h.put(message)
	return actor.Tell(ctx, m.ref(ctx, to), Port.Collective, message)
}
