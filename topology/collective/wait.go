package collective

import (
	"fmt"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// How a member waits for what others do, and finds out why it does not come.

const (
	// askAfter is how long a member waits for another before it asks how far that one is: then ever less often, up to askMost. A member
	// that has died is known to be dead by the answer.
	askAfter = 50 * time.Millisecond
	askMost  = time.Second
	// idleAsks is how often a member may say that it has done its part, while nothing more arrives of it, before that counts as lost.
	idleAsks = 6
	// lateAsks is the same while it has sent more than has come: that is on its way, or waits for the node's turn, which a method may take for
	// long. It ends at all since a link that was given up may be back without what it carried.
	lateAsks = 300
)

// wait waits until ready, which is called with the member's lock held, returns true. peer is for whom it waits, -1 for nobody of the others:
// its end ends the wait, as do that of the context and the failure of the operation.
func (o *op) wait(peer int, ready func() bool) error { return o.waitUnless(peer, idleAsks, ready) }

// waitUnless is wait that lasts until the other has said so often that it has done its part, without anything having come of it meanwhile.
func (o *op) waitUnless(peer, asks int, ready func() bool) error {
	m := o.m
	m.mu.Lock()
	if o.err == nil && ready() { // mostly
		m.mu.Unlock()
		return nil
	}
	m.mu.Unlock()
	pause := askAfter
	timer := time.NewTimer(o.firstAsk(peer))
	defer timer.Stop()
	var asked *actor.Future[Status]
	var answer <-chan struct{}
	defer func() {
		if asked != nil {
			asked.Cancel()
		}
	}()
	a := inquest{asks: asks}
	for {
		m.mu.Lock()
		switch {
		case o.err != nil:
			defer m.mu.Unlock()
			return o.err
		case ready():
			m.mu.Unlock()
			return nil
		case peer >= 0 && m.edges[peer].restarts != o.restarts[peer]:
			m.mu.Unlock()
			return &goneError{peer, m.plan.name(peer), errReplaced}
		}
		bell, due := m.bellLocked(), m.dueLocked()
		m.mu.Unlock()
		m.grantAll(o.ctx, due)
		select {
		case <-bell:
		case <-o.ctx.Done():
			return o.ctx.Err()
		case <-timer.C:
			if peer >= 0 {
				asked = actor.Go(o.ctx, m.ref(o.ctx, peer), Port.CollectiveAsk, o.probe(peer, &a))
				answer = asked.Done()
			}
		case <-answer:
			status, err := asked.Wait(o.ctx)
			if err == nil {
				_ = m.laneEnded(o.ctx, peer, status.Lane, status.Come) // whoever cannot be told is found to be gone
				err = o.heed(peer, &status, &a)
			}
			switch {
			case o.ctx.Err() != nil:
				return o.ctx.Err()
			case isGone(err):
				m.mu.Lock()
				come := o.err == nil && ready() // what it sent last, and its end, may be noticed in any order
				m.mu.Unlock()
				if come {
					return nil
				}
				return o.goneFor(peer, err)
			case err != nil:
				return err
			}
			answer = nil
			pause = min(2*pause, askMost)
			timer.Reset(pause)
		}
	}
}

// An inquest is what a member that waits for another has found out about it so far.
type inquest struct {
	asks      int    // how often it may say that it is through, see waitUnless
	idle      int    // how often it has
	got       uint64 // messages of it that had come by then
	sent      uint64 // messages that had gone to it when it was asked last
	suspected uint64 // of these, so many seem to be lost
	behind    int    // how often more was sent than has come, and nothing came
}

// firstAsk is how long a member waits for another before it asks: one that was found to be gone at once.
func (o *op) firstAsk(peer int) time.Duration {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if peer >= 0 && o.m.edges[peer].away {
		return 0
	}
	return askAfter
}

// probe is the next question for another member.
func (o *op) probe(peer int, a *inquest) Probe {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	e := &o.m.edges[peer]
	a.sent = e.sent
	p := Probe{Seq: o.seq, From: o.m.rank, Instance: o.m.instance, Another: e.restarts > 0}
	if in := o.m.ended[peer]; in != nil {
		p.Ended, p.Come = in.id, in.come
	}
	if l := o.m.laneLocked(peer); l != nil && l.broken {
		p.Broken = l.id
	}
	return p
}

// goneFor is the error that says that another member is gone.
func (o *op) goneFor(peer int, err error) error {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.edges[peer].away = true
	return &goneError{peer, o.m.plan.name(peer), err}
}

// heed draws the conclusions from how far another member is.
func (o *op) heed(peer int, s *Status, a *inquest) error {
	m := o.m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metLocked(peer, s.Instance)
	e := &m.edges[peer]
	if e.restarts != o.restarts[peer] {
		return errReplaced
	}
	switch {
	case s.Another && m.joined == 0:
		m.rejoinLocked()
		return o.err
	case s.Where == whereFailed && len(s.Failure) > 0:
		return s.Failure[0].err()
	case s.Where == whereThrough && o.sig.op == opAgree:
		if o.verdict == nil {
			o.verdict = s.Verdict
			m.ringLocked()
		}
		return nil
	case s.Where == whereThrough:
		return errReplaced
	}
	sig := readSignature(s.Sig[:])
	if (s.Where == whereAt || s.Where == whereDone) && sig != o.sig {
		return m.disagreement(peer, sig, o.sig)
	}
	e.recover(a.sent, s, &a.suspected)
	got, late, come := e.got, s.Sent > e.got, uint64(0)
	if in := m.inlanes[peer]; in != nil {
		got += in.come
		if in.id == s.Laning {
			come = in.come
		}
	}
	if s.Laned > come {
		late = true
		if a.behind++; got == a.got && a.behind == laneAsks {
			m.giveUpLocked(peer, s.Laning) // what has gone on it is perhaps lost: it will be sent again
		}
	}
	if got != a.got {
		a.idle, a.behind, a.got = 0, 0, got
	}
	where := s.Where
	if where == whereAt && s.Have && a.asks < idleAsks {
		where = whereDone // who asks so seldom wants data of it alone
	}
	switch where {
	case whereBefore:
		if s.Newest>>roundBits < o.count() && slices.Contains(o.named, peer) {
			return errPassed
		}
	case whereNotIn:
		return errReplaced
	case whereOver:
		return errOver
	case whereDone, whereLong:
		if len(s.Verdict) > 0 && o.verdict == nil {
			o.verdict = s.Verdict
			m.ringLocked()
			return nil
		}
		asks := a.asks
		if late {
			asks = lateAsks
		}
		if a.idle++; a.idle >= asks {
			return fmt.Errorf("%w: %s has done its part of operation %d, and this waits for something of it", ErrLost, m.plan.name(peer), o.count())
		}
	}
	return nil
}
