package transmit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// A request whose link broke is sent again, and changes nothing if it had been
// handled, as long as the node's process lives.
const (
	retryPatience = 30 * time.Second // how long a node is tried that cannot be reached
	retryPause    = 50 * time.Millisecond
	// A request without an answer is sent again after firstAsk, and after twice as long each time, up to lastAsk: its
	// answer may have been lost with a link without anybody's being told. The node lets it wait for the first.
	firstAsk = time.Second
	lastAsk  = time.Minute
)

// sent is a request under way, or one that will be sent.
type sent struct {
	number  uint64
	body    func() []byte         // makes the request, in memory that goes along with it
	future  *actor.Future[[]byte] // nil: to be sent
	earlier *actor.Future[[]byte] // the first of the same request, while that has no answer
	tries   int                   // how often it was sent
}

type method func(*Node, context.Context, []byte) ([]byte, error)

// post sends a request without waiting for the answer. It waits under ctx for
// room, and leaves the request to be sent when ctx ends meanwhile; what has
// been sent goes on when ctx ends: who made it cancels it.
func (q *sent) post(ctx context.Context, node Ref, m method) {
	q.tries++
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	q.future = actor.GoGive(sending, node, m, q.body())
	if !stop() {
		q.future.Cancel()
		q.future = nil
	}
}

// wait returns the answer to a request. It sends it where that is yet to be
// done, and again where the link broke. After ctx has ended wait can be called again.
func (q *sent) wait(ctx context.Context, node Ref, m method) ([]byte, error) {
	var until time.Time
	patience := firstAsk
	for {
		if q.future == nil {
			q.post(ctx, node, m)
		}
		if q.future == nil {
			return nil, ctx.Err()
		}
		attempt, cancel := context.WithTimeout(ctx, patience)
		answer, err := q.future.Wait(attempt)
		cancel()
		switch {
		case err == nil:
			q.drop()
			return answer, nil
		case ctx.Err() != nil:
			return nil, err
		case attempt.Err() != nil && !settled(q.future.Done()):
			// The first keeps the place in its line, and one of the others is enough.
			if q.earlier == nil || settled(q.earlier.Done()) {
				q.earlier = q.future
			} else {
				q.future.Cancel()
			}
			q.future = nil
			patience = min(2*patience, lastAsk)
			until = time.Time{} // nobody has said that the node cannot be reached
			continue
		case !lostOnTheWay(err):
			return answer, err
		}
		q.future = nil
		if until.IsZero() {
			until = time.Now().Add(retryPatience)
		} else if time.Now().After(until) {
			return nil, fmt.Errorf("tried for %v: %w", retryPatience, err)
		}
		timer := time.NewTimer(retryPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// lostOnTheWay tells whether err says that the link broke, rather than what came of the request. The node ends the
// context of a request whose link broke, and may be able to say so over the next one.
func lostOnTheWay(err error) bool {
	return errors.Is(err, actor.ErrUnreachable) && !errors.Is(err, actor.ErrPeerGone) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// drop cancels what is under way of a request.
func (q *sent) drop() {
	for _, f := range []*actor.Future[[]byte]{q.earlier, q.future} {
		if f != nil {
			f.Cancel()
		}
	}
	q.earlier = nil
}

func settled(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func newSession() string {
	var b [sessionBytes]byte
	_, _ = rand.Read(b[:]) // never fails, as documented
	return string(b[:])
}
