package actor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// A Stamp is what the parcels of one label to one node have in common, as a route knows it: made once, it spares each of them the look for it.
type Stamp interface {
	// Post is [Route.Post] for a parcel that is this and a body, without head.
	Post(ctx context.Context, body []byte) error
}

// stamps are those of one way, by the method that is told. Their zero value is empty.
type stamps struct {
	last atomic.Pointer[stamped] // a sender's next message is mostly of the same method

	mu  sync.Mutex
	all map[*method]*stamped
}

type stamped struct {
	Stamp
	method *method
}

// stampOf is the stamp of tells of a method to the way's node. The way has a route.
func (w *way) stampOf(m *method) Stamp {
	s := w.stamps.last.Load()
	if s != nil && s.method == m {
		return s.Stamp
	}
	w.stamps.mu.Lock()
	defer w.stamps.mu.Unlock()
	s = w.stamps.all[m]
	if s == nil {
		s = &stamped{w.route.Stamp(w.to.Id, m.tell), m}
		if w.stamps.all == nil {
			w.stamps.all = map[*method]*stamped{}
		}
		w.stamps.all[m] = s
	}
	w.stamps.last.Store(s)
	return s.Stamp
}

// postTell sends a tell, as a parcel or as a message.
func (s *System) postTell(ctx context.Context, w *way, m *method, data []byte) error {
	if s.ctx.Err() != nil { // it ended, perhaps while this waited for window
		return context.Cause(s.ctx)
	}
	if w.route != nil {
		err := w.stampOf(m).Post(ctx, data)
		if err == nil || !errors.Is(err, ErrNoParcels) {
			return err
		}
	}
	return w.carrier.Send(ctx, w.to, s.self(), &wire.Call{Method: m.name, Signature: m.hash, Argument: data})
}
