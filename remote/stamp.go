package remote

import (
	"context"

	"github.com/tartrl/tlaunch-go/actor"
)

// A stamp knows of parcels of one kind what does not change from one to the next.
type stamp struct {
	r         *route
	to, label string
	size      int  // that such a parcel takes beside its body
	plain     bool // nothing about it needs a look each time
}

// Stamp makes the stamp of parcels without head.
func (r *route) Stamp(target, label string) actor.Stamp {
	it := newParcel(&actor.Parcel{Target: target, Label: label})
	return &stamp{
		r: r, to: target, label: label, size: it.size,
		plain: r.address != r.e.cfg.Address && it.size <= metaBytes && max(len(target), len(label)) <= maxName,
	}
}

func (s *stamp) Post(ctx context.Context, body []byte) error {
	if s.plain {
		if l := s.r.p.Load().ready.Load(); l != nil && l.parcels && l.out.putStamped(s, body) {
			return nil
		}
	}
	return s.r.Post(ctx, actor.Parcel{Target: s.to, Label: s.label, Body: body})
}

// putStamped is put for a parcel that is small and has room at once. It reports whether it was; if not, put knows what to do.
func (o *outbox) putStamped(s *stamp, body []byte) bool {
	size := s.size + len(body)
	if len(body) > copiedBytes || len(body) > o.most {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &o.lanes[dataLane]
	if o.endLocked() != nil || len(o.lines[shortLine]) > 0 || len(l.busy) > 0 || !l.hasRoom(size, false, o.limit) {
		return false
	}
	if o.idle {
		o.some.Signal()
	}
	l.messages++
	l.bytes += size
	p := l.pageFor(size + slack)
	at := len(p.buf)
	b := l.said.add(addHead(p.buf), s.to, false)
	b = append(l.said.add(b, s.label, false), 0) // bytes of head
	b = append(b, body...)
	setHead(b, at, frameParcel, 0)
	l.stand(p, at, b, size)
	return true
}
