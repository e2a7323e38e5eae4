package collective

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/tartrl/tlaunch-go/tensor"
)

// A Publisher gives the other members of its group versions of a set of tensors, the newest of which they read: see [NewReader].
type Publisher struct{ p *publication }

// NewPublisher begins to publish under a name, from a node's Run, whose context it is given: with that it ends. A member publishes once under a
// name at a time ([ErrBusy]). One that was started again goes on from the number of the newest version that its readers know.
func NewPublisher(ctx context.Context, n Node, name string) (*Publisher, error) {
	m := n.member()
	if m == nil || m.plan == nil {
		return nil, fmt.Errorf("%w: it has not joined one with Join, or Seal was not called", ErrGroup)
	}
	p, err := m.open(ctx, publicationKey{m.rank, m.rank, name}, rand.Uint64()|1)
	if err != nil {
		return nil, err
	}
	return &Publisher{p}, nil
}

// Publish makes tensors the newest version, and returns its number. It copies them, and compares them with the version before, of which readers get
// what is different; it waits for nobody. A version that has not gone far when the next one comes is given up for that; one that has is sent to the end, and then
// the newest.
//
// The number is the one that readers see, but for versions that a publisher which was started again has made before the first of its readers of old came:
// the newest of these goes on under a higher one.
//
// The error wraps [ErrArgument], [ErrTooLarge] beyond [MaxPublished], or [ErrEnded] when the publisher was closed or its context is over. It
// may be called from several goroutines at once.
func (pub *Publisher) Publish(tensors map[string]tensor.Tensor) (uint64, error) {
	p := pub.p
	p.making.Lock()
	defer p.making.Unlock()
	p.mu.Lock()
	before, ended := p.newest, p.ended || p.over
	p.count++
	count := p.count
	p.mu.Unlock()
	if ended {
		return 0, fmt.Errorf("%w: %s publishes %q no more", ErrEnded, p.m.plan.name(p.m.rank), p.key.name)
	}
	e, err := newEdition(p.instance, count, publishedChunk, tensors, before)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.over { // Close may wait for nothing any more
		return 0, fmt.Errorf("%w: %s publishes %q no more", ErrEnded, p.m.plan.name(p.m.rank), p.key.name)
	}
	p.number++
	e.number = p.number
	if err := e.encode(); err != nil {
		return 0, err
	}
	p.newest, p.whole = e, e
	p.stats.Versions++
	p.ringLocked()
	return e.number, nil
}

// Stats is what has been published so far.
func (pub *Publisher) Stats() PublishStats { return pub.p.statsNow() }

// Close ends the publication: it waits until those that read from this member have the newest version, and tells them that it was the last. When
// ctx or the publisher's own context ends before, it returns that one's error, and readers end with the newest version that has arrived whole. Readers that come later find
// nothing; one has come when it has a version.
func (pub *Publisher) Close(ctx context.Context) error {
	p := pub.p
	p.mu.Lock()
	p.ended = true
	p.ringLocked()
	p.mu.Unlock()
	err := p.drain(ctx)
	plan := p.m.plan
	plan.mu.Lock()
	if plan.published[p.key] == p {
		plan.over[p.key] = true
	}
	plan.mu.Unlock()
	p.end()
	return err
}
