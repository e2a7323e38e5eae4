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

// addStamped writes what stands before the body of a stamped parcel: mostly what stood before the last one.
func (s *said) addStamped(b []byte, by *stamp) []byte {
	if s.stamp == by {
		return append(b, s.meta...)
	}
	at, added := len(b), s.added
	b = append(s.add(s.add(b, by.to, false), by.label, false), 0) // bytes of head
	if s.added == added {                                         // both names are places in the table: the next parcel says the same
		s.stamp, s.meta = by, append(s.meta[:0], b[at:]...)
	}
	return b
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
	b := append(l.said.addStamped(addHead(p.buf), s), body...)
	setHead(b, at, frameParcel, 0)
	l.stand(p, at, b, size)
	return true
}
