package collective

import (
	"context"
	"fmt"
)

// A Reader has the newest version of what another member publishes, and passes it on to members below it.
type Reader struct{ p *publication }

// NewReader begins to read what the member of rank root publishes under a name, from a node's Run, whose context it is given: with that it ends. A
// member that passes versions on does so from here to Close, whether it looks at them or not. The publisher need not have begun, and may be
// started again; a reader that comes late, or is started again, gets the newest version from the nearest member that has it. A member has one
// reader for each publication ([ErrBusy]), which several goroutines may use.
func NewReader(ctx context.Context, n Node, root int, name string) (*Reader, error) {
	m := n.member()
	if m == nil || m.plan == nil {
		return nil, fmt.Errorf("%w: it has not joined one with Join, or Seal was not called", ErrGroup)
	}
	if root == m.rank {
		return nil, fmt.Errorf("%w: %s is the publisher and cannot be a reader", ErrArgument, m.plan.name(root))
	}
	p, err := m.open(ctx, publicationKey{m.rank, root, name}, 0)
	if err != nil {
		return nil, err
	}
	p.group.Go(p.follow)
	return &Reader{p}, nil
}

// Latest returns the newest version that has arrived whole, and waits under ctx only for the first. See [Reader.Next] for the errors.
func (r *Reader) Latest(ctx context.Context) (*Version, error) { return r.Next(ctx, 0) }

// Next returns the newest version that has arrived whole, once there is one with a number greater than after. Versions may be left out; their numbers
// grow. The error wraps [ErrEnded] when there is none and the publisher has closed, or the reader was, and the context's where that is over.
func (r *Reader) Next(ctx context.Context, after uint64) (*Version, error) {
	p := r.p
	var found *edition
	var over bool
	err := p.until(ctx, func() bool {
		if p.whole != nil && p.whole.number > after {
			found = p.whole
		}
		over = p.over || p.ended
		return found != nil || over
	})
	switch {
	case found != nil:
		return found.asVersion(), nil
	case err != nil:
		return nil, fmt.Errorf("waiting for a version of %q after %d: %w", p.key.name, after, err)
	case p.ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %s reads %q no more: %w", ErrEnded, p.m.plan.name(p.m.rank), p.key.name, context.Cause(p.ctx))
	}
	return nil, fmt.Errorf("%w: its publisher has closed, and no version of %q comes after %d", ErrEnded, p.key.name, after)
}

// Stats is what has been read and passed on so far.
func (r *Reader) Stats() PublishStats { return r.p.statsNow() }

// Close ends the reading. Members that read from this one turn to others; when the publisher has closed, and there may be no others, it waits under ctx until they
// have the last version too, and returns ctx's error when that ends before. Versions stay valid.
func (r *Reader) Close(ctx context.Context) error {
	p := r.p
	defer p.end()
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if !ended {
		if !p.dismiss(ctx) {
			return nil
		}
		p.reopen()
	}
	err := p.drain(ctx)
	p.dismiss(ctx)
	return err
}
