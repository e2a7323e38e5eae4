package actor

import protoactor "github.com/asynkron/protoactor-go/actor"

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
