package collective

import (
	"context"
	"fmt"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Probe is how a member asks another how far that one has come with an operation.
type Probe struct {
	Seq      uint64
	From     int    // its rank
	Instance uint64 // of it
	Another  bool   // it has known another one in the place of the one it asks
	Rejoins  bool   // it was started again, and wants to know what the others have found
	Broken   uint64 // the number of its lane to the one it asks, where nothing more is written on that
	Ended    uint64 // the number of the lane to it that has ended last
	Come     uint64 // and how many messages had come on it
}

// A Status is how far a member has come with an operation.
type Status struct {
	Instance uint64
	Where    string    // of its operations; see the constants
	Sig      [32]byte  // where it has come there
	Have     bool      // where it is there: it has its result, and waits for that to be certain for all
	Failure  []failure // one, where it has failed there
	Sent     uint64    // messages with data to the one who asks, in all operations
	Got      uint64    // and that have come from there
	Held     int       // bytes of these for which it has no window back yet
	Verdict  []byte    // where it has done an agreement, or is through
	Lane     uint64    // the number of the lane from there that has ended last
	Come     uint64    // and how many messages had come on it
	Laned    uint64    // messages that have gone there on a lane
	Laning   uint64    // the number of that lane
	Newest   uint64    // round of an operation to which it has come
	Another  bool      // it has known another one in the place of the one who asks
	Found    []int64   // what was measured, for one that rejoins
}

const (
	whereBefore  = "before" // it has not come there
	whereAt      = "at"
	whereDone    = "done"
	whereFailed  = "failed"
	whereThrough = "through"  // it was through with the operation in an earlier round
	whereLong    = "long ago" // it does not know any more
	whereOver    = "over"     // it has not come there, and its Run has returned
	whereNotIn   = "not in"   // it was started again since, and joins later
)

// CollectiveAsk tells another member how far this one has come. It is called by members alone.
func (m *Member) CollectiveAsk(ctx context.Context, p Probe) (Status, error) {
	if m.plan == nil {
		return Status{}, fmt.Errorf("%w: %s has not joined one, or its group was not sealed", ErrGroup, actor.Self(ctx))
	}
	if p.From < 0 || p.From >= m.plan.shape.Len() {
		return Status{}, fmt.Errorf("%w: member %d of %d asks", errMessage, p.From, m.plan.shape.Len())
	}
	m.mu.Lock()
	m.readyLocked()
	m.metLocked(p.From, p.Instance)
	if p.Broken != 0 {
		m.giveUpLocked(p.From, p.Broken)
	}
	m.mu.Unlock()
	_ = m.laneEnded(ctx, p.From, p.Ended, p.Come) // where the one who asks is gone, nobody wants the rest
	m.mu.Lock()
	defer m.mu.Unlock()
	seq := p.Seq
	e := &m.edges[p.From]
	s := Status{Instance: m.instance, Where: whereBefore, Failure: []failure{}, Sent: e.sent, Got: e.got, Held: e.parked + e.owed,
		Newest: m.seq, Another: e.restarts > 0}
	if l := m.laneLocked(p.From); l != nil {
		s.Laning, s.Laned = l.id, l.come+uint64(len(l.kept))
	}
	if in := m.ended[p.From]; in != nil {
		s.Lane, s.Come = in.id, in.come
	}
	if p.Another {
		m.rejoinLocked()
	}
	if p.Rejoins {
		s.Found = m.auto.found
	}
	if was, ok := m.past[seq]; ok {
		s.Where, s.Verdict = whereDone, was.verdict
		was.sig.put(s.Sig[:])
		if was.left {
			s.Where = whereNotIn
		} else if was.failure != nil {
			s.Where, s.Failure = whereFailed, append(s.Failure, *was.failure)
		}
	} else if m.current != nil && seq == m.seq {
		s.Where = whereAt
		m.current.sig.put(s.Sig[:])
		s.Have = m.current.have
		if m.current.given[p.From] {
			s.Where = whereNotIn
		} else {
			m.current.claimLocked(p.From)
		}
	} else if was, ok := m.endedLocked(seq); ok {
		return s, was.tell(&s)
	} else if seq < m.joined {
		s.Where = whereNotIn
	} else if seq <= m.seq {
		s.Where = whereLong
	} else if !m.inMethods && actor.RunReturned(ctx) {
		s.Where = whereOver
	}
	return s, nil
}

// rememberLocked notes how a round has ended, and forgets what is long ago.
func (m *Member) rememberLocked(seq uint64, was past) {
	m.past[seq] = was
	for old := (seq>>roundBits - pastKept) << roundBits; ; old++ { // rounds have no gaps
		if _, ok := m.past[old]; !ok {
			break
		}
		delete(m.past, old)
	}
	for aborted := range m.aborts {
		if aborted <= seq {
			delete(m.aborts, aborted)
		}
	}
}

// endedLocked is how this member has ended an operation of which another is in a later round, if it has.
func (m *Member) endedLocked(seq uint64) (past, bool) {
	for earlier := seq; earlier&(1<<roundBits-1) > 0; {
		earlier--
		if was, ok := m.past[earlier]; ok {
			return was, !was.onward
		}
	}
	return past{}, false
}

// tell says how the operation has ended here to a member that is in a later round.
func (was *past) tell(s *Status) (err error) {
	switch {
	case was.through && was.verdict != nil:
		s.Where, s.Verdict = whereThrough, was.verdict
	case was.through:
		s.Where = whereThrough
		s.Verdict, err = actor.Encode(report{Have: true, Result: was.result})
	case was.left || was.failure == nil || was.failure.Kind == failedMissing:
		s.Where = whereNotIn
	default:
		s.Where, s.Failure = whereFailed, append(s.Failure, *was.failure)
	}
	return err
}
