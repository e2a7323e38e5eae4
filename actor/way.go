package actor

import (
	"encoding/binary"
	"errors"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// A way is all that is needed to send to a node of another process.
type way struct {
	sys     *System
	to      *protoactor.PID
	carrier Transport
	route   Route // nil: the transport carries no parcels
	window  *window
	stamps  stamps // of the route
}

// wayTo finds the way to a node of another process. Where the node is may change, so that is asked each time.
func (s *System) wayTo(carrier Transport, t *target) (*way, error) {
	address, err := s.addressOf(t)
	if err != nil {
		return nil, err
	}
	if w := t.way.Load(); w != nil && w.sys == s && w.to.Address == address && w.carrier == carrier {
		return w, nil
	}
	w := &way{
		sys: s, to: protoactor.NewPID(address, t.key), carrier: carrier, route: s.routeTo(address),
		window: s.windowFor(windowKey{address, t.key}),
	}
	t.way.Store(w)
	return w, nil
}

// routeTo is the route to the process at an address, or nil where there are no routes.
func (s *System) routeTo(address string) Route {
	t := s.transport.Load()
	if t == nil {
		return nil
	}
	courier, ok := (*t).(Courier)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.routes[address]
	if r == nil {
		r = courier.Route(address)
		s.routes[address] = r
	}
	return r
}

// postReply answers a call that came as a parcel, and reports whether that needs no message.
func (s *System) postReply(r Route, reply *wire.Reply) bool {
	p := Parcel{Target: SystemID, Label: string(labelResult), Head: binary.AppendUvarint(nil, reply.Id), Body: reply.Result}
	if reply.Error != nil {
		body, err := proto.Marshal(reply.Error)
		if err != nil {
			return false
		}
		p.Label, p.Body = string(labelError), body
	}
	err := r.PostNow(p)
	switch {
	case errors.Is(err, ErrNoParcels):
		return false
	case reply.Error == nil && refusesResult(err):
		return s.postReply(r, s.refusal(reply.Id, err))
	case err != nil:
		s.logger.Debug("answer lost", "call", reply.Id, "error", err)
	}
	return true
}

// postCredit gives window back, and reports whether that needs no message.
func (s *System) postCredit(r Route, node string, back budget) bool {
	head := binary.AppendUvarint(make([]byte, 0, 2*binary.MaxVarintLen64), uint64(back.messages))
	head = binary.AppendUvarint(head, uint64(back.bytes))
	err := r.PostNow(Parcel{Target: SystemID, Label: string(labelCredit), Head: head, Body: []byte(node)})
	return !errors.Is(err, ErrNoParcels)
}
