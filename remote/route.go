package remote

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tartrl/tlaunch-go/actor"
)

// Parcels: what two systems of package actor say to each other over links between endpoints of this package.

var _ actor.Courier = (*Endpoint)(nil)

// recipient is the process of our system that takes parcels, or nil.
func (e *Endpoint) recipient() actor.Recipient {
	process, _ := e.system.ProcessRegistry.GetLocal(actor.SystemID)
	r, _ := process.(actor.Recipient)
	return r
}

// Route gives the way to the process at an address, for parcels. It makes no connection and need not be given back.
func (e *Endpoint) Route(address string) actor.Route {
	r := &route{e: e, address: address}
	p := e.peer(address)
	defer p.release()
	r.p.Store(p)
	return r
}

type route struct {
	e       *Endpoint
	address string
	p       atomic.Pointer[peer]
}

// hold gives the record of the address, which the caller releases.
func (r *route) hold() *peer {
	p := r.p.Load()
	p.users.Add(1)
	if !p.gone.Load() {
		return p
	}
	p.release()
	p = r.e.peer(r.address)
	r.p.Store(p)
	return p
}

func (r *route) Post(ctx context.Context, parcel actor.Parcel) error {
	if r.address == r.e.cfg.Address {
		return actor.ErrNoParcels
	}
	if l := r.p.Load().ready.Load(); l != nil && l.parcels { // which has its peer's record as long as it lives
		it := newParcel(&parcel)
		l.fit(&it)
		return r.e.queued(ctx, r.address, l.out.put(ctx, &it))
	}
	return r.post(ctx, &parcel, (*outbox).put)
}

// PostUrgent waits for a link where there is none, and for room in the lane of urgent messages. A message for which there was none in time is
// counted.
func (r *route) PostUrgent(ctx context.Context, parcel actor.Parcel) error {
	if r.address == r.e.cfg.Address {
		return actor.ErrNoParcels
	}
	err := r.post(ctx, &parcel, (*outbox).putUrgent)
	if err != nil && ctx.Err() != nil {
		p := r.hold()
		defer p.release()
		r.e.dropped(p, QueueFull, 1)
	}
	return err
}

func (r *route) post(ctx context.Context, parcel *actor.Parcel, put func(*outbox, context.Context, *item) error) error {
	p := r.hold()
	defer p.release()
	l, err := p.acquire(ctx)
	if errors.Is(err, errAlias) || err == nil && !l.parcels {
		return actor.ErrNoParcels
	}
	if err != nil {
		return err
	}
	it := newParcel(parcel)
	l.fit(&it)
	return r.e.queued(ctx, r.address, put(l.out, ctx, &it))
}

// fit takes off a parcel what the peer would not understand.
func (l *link) fit(it *item) {
	if it.traced > 0 && !l.traces {
		it.size -= int(it.traced)
		it.head, it.traced = it.head[it.traced:], 0
	}
}

// PostNow, like [Endpoint.SendNow], keeps the parcel for the link that is being made where there is none. One without room is not counted:
// whoever sends it may wait.
func (r *route) PostNow(parcel actor.Parcel) error {
	if r.address == r.e.cfg.Address {
		return actor.ErrNoParcels
	}
	p := r.hold()
	defer p.release()
	it := newParcel(&parcel)
	err := p.postNow(urgentLane, it)
	switch {
	case errors.Is(err, errAlias):
		return actor.ErrNoParcels
	case err == nil, errors.Is(err, ErrClosed), errors.Is(err, ErrFull), errors.Is(err, ErrUnreachable), errors.Is(err, ErrTooLarge),
		errors.Is(err, actor.ErrNoParcels):
		return err
	}
	return unreachable(r.address, err)
}

func newParcel(p *actor.Parcel) item {
	return item{
		parcel: true, to: p.Target, typeName: p.Label, head: p.Head, traced: uint16(p.Traced), data: p.Body,
		size: frameHead + len(p.Target) + len(p.Label) + len(p.Head) + len(p.Body), owned: p.Room != nil, room: p.Room,
	}
}

// queued explains why a message was not queued, if it was not.
func (e *Endpoint) queued(ctx context.Context, address string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrClosed), errors.Is(err, ErrTooLarge), errors.Is(err, ErrFull):
		return err
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return fmt.Errorf("remote: the queue to %s had no room in time; the peer reads more slowly than this process sends: %w", address, err)
	}
	return unreachable(address, err)
}
