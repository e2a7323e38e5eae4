package transmit

import (
	"context"
	"fmt"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// mostSessions is how many writers and samplers a node knows. The one that was used least recently is forgotten for another.
const mostSessions = 4096

// idleLife is how long a writer or sampler is known that says nothing: its process may have ended without anybody's
// knowing. One that lives goes on without a loss when it was forgotten between two requests.
const idleLife = time.Hour

// mostAhead is how many requests of a session may be unsettled.
const mostAhead = 1024

// session is what a node knows of a writer or a sampler: which requests it
// has answered, so that one which comes again changes nothing.
type session struct {
	used    uint64    // the state's clock
	at      time.Time // of the last use
	busy    int       // requests that are being handled
	release func()    // of what waits for the end of its process
	ended   signal    // closed when the node forgets it
	last    uint64    // the greatest number of those that were begun
	settled uint64
	replies map[uint64]*reply // of requests that are not settled
	turns   map[uint64]signal // of requests that overtook others: closed when theirs is the turn

	// Of writers:
	stream  *table.Stream
	stuck   bool            // windows were left over, which have to come first
	checked map[*shelf]span // steps that are of a table's type
}

type span struct{ from, to uint64 }

type signal = chan struct{}

// reply is the answer to a request, once done is closed.
type reply struct {
	done    signal
	void    bool // nothing has happened: the request may be begun again
	write   writeReply
	samples []table.Sample
	waiting int    // copies of the request that wait for samples
	leave   func() // gives up the place in the table's line; nil: there is none
}

// left says that one of those who wait has given up. The place in the line stays as long as one of them waits, whichever began it: requests that
// came behind it would pass it otherwise.
func (r *reply) left() {
	r.waiting--
	if r.waiting == 0 && r.leave != nil && !closed(r.done) {
		r.leave()
		r.void = true
		close(r.done)
	}
}

// sessionFor finds the session of a request or begins it; first says that the request may be the first of one. A
// session ends with the process that made the request, where that becomes known.
func (s *state) sessionFor(ctx context.Context, id string, first bool) (*session, error) {
	ss := s.sessions[id]
	if ss == nil {
		if !first {
			return nil, forgotten()
		}
		ss = &session{ended: make(signal), replies: map[uint64]*reply{}, turns: map[uint64]signal{}}
		ss.release = actor.AfterPeer(ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.endSession(id)
		})
		if err := ctx.Err(); err != nil { // its process may be gone already
			ss.release()
			return nil, err
		}
		s.evictSession()
		s.sessions[id] = ss
		s.sweepLater()
	}
	s.clock++
	ss.used, ss.at = s.clock, time.Now()
	return ss, nil
}

func forgotten() error {
	return fmt.Errorf("%w this writer or sampler: it was started again, or %d others came since, or it heard nothing for %v", ErrForgotten, mostSessions, idleLife)
}

// sweepLater has sessions forgotten that are not used for long.
func (s *state) sweepLater() {
	if s.sweeper == nil && !s.stopped {
		s.sweeper = time.AfterFunc(idleLife/4, s.sweep)
	}
}

func (s *state) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, ss := range s.sessions {
		if ss.busy == 0 && time.Since(ss.at) > idleLife {
			s.endSession(id)
		}
	}
	s.sweeper = nil
	if len(s.sessions) > 0 {
		s.sweepLater()
	}
}

// stopSweeping lets go of the timer, for good.
func (s *state) stopSweeping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.sweeper != nil {
		s.sweeper.Stop()
	}
}

func (s *state) evictSession() {
	if len(s.sessions) < mostSessions {
		return
	}
	oldest := ""
	for id, ss := range s.sessions {
		if ss.busy == 0 && (oldest == "" || ss.used < s.sessions[oldest].used) {
			oldest = id
		}
	}
	if oldest != "" {
		s.endSession(oldest)
	}
}

func (s *state) endSession(id string) {
	ss := s.sessions[id]
	if ss == nil {
		return
	}
	close(ss.ended)
	ss.release()
	if ss.stream != nil {
		ss.stream.Forget(ss.stream.Next())
	}
	delete(s.sessions, id)
}

// begin finds the reply of a request: a new one, which the caller has to
// finish, or that of the same request when it came before. Requests of a
// session are begun in the order of their numbers, for links keep the order
// and turns of a node do not; those that are handled alone when the one before
// is finished. It is called with s.mu held, and lets go of it while it waits.
func (s *state) begin(ctx context.Context, ss *session, number, settled uint64, alone bool) (r *reply, fresh bool, err error) {
	for {
		if closed(ss.ended) { // nobody would let go of what it brings
			return nil, false, forgotten()
		}
		for ss.settled < min(settled, ss.last) {
			ss.settled++
			delete(ss.replies, ss.settled)
		}
		r := ss.replies[number]
		var wait signal
		switch {
		case r != nil:
			select {
			case <-r.done:
				if !r.void {
					return r, false, nil
				}
				delete(ss.replies, number)
				continue
			default:
				wait = r.done
				r.waiting++
			}
		case number <= ss.settled:
			return nil, false, fmt.Errorf("%w: number %d, and %d are settled", ErrRequest, number, ss.settled)
		case number > ss.last+mostAhead:
			return nil, false, fmt.Errorf("%w: number %d after %d", ErrRequest, number, ss.last)
		case number > ss.last+1:
			if ss.turns[number] == nil {
				ss.turns[number] = make(signal)
			}
			wait = ss.turns[number]
		case alone && ss.replies[number-1] != nil && !closed(ss.replies[number-1].done):
			wait = ss.replies[number-1].done
		default:
			r = &reply{done: make(signal)}
			ss.replies[number] = r
			ss.last = max(ss.last, number)
			if turn := ss.turns[number+1]; turn != nil {
				delete(ss.turns, number+1)
				close(turn)
			}
			return r, true, nil
		}
		ss.busy++
		s.mu.Unlock()
		select {
		case <-wait:
		case <-ss.ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		ss.busy--
		if r != nil {
			r.left()
		}
		if err != nil {
			return nil, false, err
		}
	}
}

func closed(s signal) bool {
	select {
	case <-s:
		return true
	default:
		return false
	}
}
