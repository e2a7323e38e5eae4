package actor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// PeerDown tells the system that the link to the process at address was lost
// and with it what was under way: calls to its nodes end, calls of its nodes
// are cancelled. Calls end with [ErrPeerGone] where why wraps it: then the
// process is gone, and nothing will ever be at that address again. Otherwise
// they end with what Config.Fate finds out, and if it does not with
// [ErrUnreachable] and why.
func (s *System) PeerDown(address string, why error) {
	if why == nil {
		why = errors.New("the link was closed")
	}
	gone := errors.Is(why, ErrPeerGone)
	s.mu.Lock()
	calls := slices.Collect(maps.Values(s.pending))
	var served []*inbound
	for k, in := range s.inbound {
		if k.address == address {
			served = append(served, in)
		}
	}
	var windows []*window
	for k, w := range s.windows {
		if k.address != address {
			continue
		}
		windows = append(windows, w)
		if gone {
			delete(s.windows, k)
		}
	}
	for k, a := range s.accounts {
		if k.address == address {
			a.gone.Store(true)
			delete(s.accounts, k)
		}
	}
	delete(s.routes, address)
	if owed := s.arrears[address]; owed != nil {
		owed.end()
		delete(s.arrears, address)
	}
	nodes := slices.Collect(maps.Values(s.nodes))
	s.mu.Unlock()
	// One that still waits for window may get its address now; a call's lock is taken before the system's.
	calls = slices.DeleteFunc(calls, func(c *call) bool { return c.sentTo() != address })
	slices.SortFunc(calls, func(a, b *call) int { return cmp.Compare(a.id, b.id) })
	for _, c := range calls {
		s.forgetCall(c) // an answer cannot come any more
	}
	lost := fmt.Errorf("%w: %s: %v", ErrUnreachable, address, why)
	if gone {
		lost = fmt.Errorf("%w: %s", ErrPeerGone, address)
	}
	if gone || s.fate == nil || len(calls) == 0 || !s.background(func() { s.settleByFate(calls, address, lost) }) {
		settleLost(calls, address, lost)
	}
	for _, in := range served {
		in.cancel(lost)
	}
	if gone { // after the contexts have ended: see AfterPeer
		for f := range s.takeAfter(address) {
			(*f)()
		}
	}
	for _, w := range windows {
		w.reset()
	}
	for _, n := range nodes {
		n.unwatchAll(address)
	}
}

// settleByFate ends calls once it is known what became of their process.
func (s *System) settleByFate(calls []*call, address string, lost error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	waits := make(chan struct{})
	s.group.Go(func() { // nobody needs the answer once all have given up
		defer cancel()
		for _, c := range calls {
			select {
			case <-c.done:
			case <-waits:
				return
			}
		}
	})
	err := s.fate(ctx, address)
	close(waits)
	if err != nil {
		lost = err
	}
	settleLost(calls, address, lost)
}

// settleLost ends the calls that were sent to an address, and not elsewhere since.
func settleLost(calls []*call, address string, lost error) {
	for _, c := range calls {
		if c.sentTo() == address {
			c.settle(nil, c.failure(lost))
		}
	}
}
