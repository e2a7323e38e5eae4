package actor

import "context"

// afterPeer are the functions that wait for the end of other processes, by
// address. System.mu guards it.
type afterPeer map[string]map[*func()]bool

// AfterPeer has f called once when it becomes known that the process is gone
// that made the call whose method was given ctx, so that a node can let go of
// what it keeps for others. Where that was known before, f is not called, and
// ctx has ended when AfterPeer returns. It is never called for a process that
// cannot be reached any more and may live, nor for callers of this process.
// f is called by whoever brings the news, and must not block. stop takes it
// back; f may be under way then.
func AfterPeer(ctx context.Context, f func()) (stop func()) {
	i := invocationOf(ctx)
	if i == nil || i.asker == nil {
		return func() {}
	}
	in, ok := i.answer.(*inbound)
	if !ok {
		return func() {}
	}
	s, address := in.sys, in.key.address
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after[address] == nil {
		s.after[address] = map[*func()]bool{}
	}
	s.after[address][&f] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.after[address], &f)
		if len(s.after[address]) == 0 {
			delete(s.after, address)
		}
	}
}

// takeAfter is what waits for the end of a process, and does so no more.
func (s *System) takeAfter(address string) map[*func()]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.after[address]
	delete(s.after, address)
	return waiting
}
