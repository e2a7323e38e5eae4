package collective

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// An inquiry is a question of one member to those below it.
type inquiry struct {
	m       *Member
	r       Routed // as it goes on
	tree    *tree
	waiting []*branch // in the order of the tree
	timer   <-chan time.Time
	answer  Answer
}

// A branch is a member that was asked, with all below it.
type branch struct {
	rank   int
	future *actor.Future[Answer]
	values [][]byte
	over   bool
	below  []*branch // asked in the place of one that is gone
}

// askBelow asks the members below this one.
func (m *Member) askBelow(ctx context.Context, r Routed) (*inquiry, error) {
	tree, err := m.plan.routes(r.Root)
	if err != nil {
		return nil, err
	}
	c := &inquiry{m: m, r: r, tree: tree}
	levels := c.tree.height(m.rank)
	if r.Wait > 0 && levels > 0 {
		wait := time.Duration(r.Wait)
		c.r.Wait = int64(max(1, waitShare(wait, levels)))
		if m.rank != r.Root { // the one who asks waits to the end
			wait = (wait + time.Duration(c.r.Wait)) / 2
		}
		c.timer = time.After(wait)
	}
	for _, child := range c.tree.children[m.rank] {
		c.waiting = append(c.waiting, c.ask(ctx, child))
	}
	return c, nil
}

// height is how many levels are below a member.
func (t *tree) height(rank int) (levels int) {
	for _, child := range t.children[rank] {
		levels = max(levels, t.height(child)+1)
	}
	return levels
}

func (c *inquiry) ask(ctx context.Context, rank int) *branch {
	return &branch{rank: rank, future: actor.Go(ctx, c.m.ref(ctx, rank), Port.CollectiveRoute, c.r)}
}

// gather waits until all branches have answered, or the time is over, or, unless least is 0, so many members have. It returns the values.
func (c *inquiry) gather(ctx context.Context, least int) [][]byte {
	events := make(chan *branch)
	stop := make(chan struct{})
	running := 0
	follow := func(b *branch) {
		running++
		go func() { // ends with gather
			select {
			case <-b.future.Done():
			case <-stop:
			}
			events <- b
		}()
	}
	for _, b := range c.waiting {
		follow(b)
	}
	stopped := false
	halt := func() {
		if !stopped {
			close(stop)
			stopped = true
		}
	}
	for running > 0 {
		if least > 0 && c.answer.Count >= least {
			halt()
		}
		select {
		case b := <-events:
			running--
			select {
			case <-b.future.Done():
				for _, other := range c.settle(ctx, b, stopped) {
					follow(other)
				}
			default:
				b.future.Cancel()
				if least == 0 || c.answer.Count < least {
					c.late(b)
				}
			}
		case <-c.timer:
			halt()
		case <-ctx.Done():
			halt()
		}
	}
	return c.values(c.waiting)
}

// settle takes the answer of a branch. Where its first member is gone, it returns those below, who were asked instead.
func (c *inquiry) settle(ctx context.Context, b *branch, stopped bool) []*branch {
	answer, err := b.future.Wait(ctx)
	b.over = true
	switch {
	case err == nil && !c.m.plan.sensible(answer):
		c.silent(b.rank, fmt.Errorf("%w: an answer", errMessage))
		return nil
	case err == nil:
		b.values = answer.Value
		c.answer.Count += answer.Count
		c.answer.Silent = append(c.answer.Silent, answer.Silent...)
		return nil
	case isGone(err) && !stopped:
		c.silent(b.rank, err)
		for _, child := range c.tree.children[b.rank] {
			b.below = append(b.below, c.ask(ctx, child))
		}
		return b.below
	}
	for _, rank := range c.tree.below(b.rank) {
		c.silent(rank, err)
	}
	return nil
}

// late notes that a branch has not answered in time.
func (c *inquiry) late(b *branch) {
	for _, rank := range c.tree.below(b.rank) {
		c.silent(rank, context.DeadlineExceeded)
	}
}

func (c *inquiry) values(branches []*branch) (all [][]byte) {
	for _, b := range branches {
		all = append(all, b.values...)
		all = append(all, c.values(b.below)...)
	}
	return all
}

// sensible tells whether an answer can be one of members of this group.
func (p *plan) sensible(a Answer) bool {
	n := p.shape.Len()
	return a.Count >= 0 && a.Count < n && len(a.Value) <= a.Count && len(a.Silent) < n &&
		!slices.ContainsFunc(a.Silent, func(s Silent) bool { return s.Rank < 0 || s.Rank >= n })
}

// silent notes that a member has not answered.
func (c *inquiry) silent(rank int, err error) {
	s := Silent{Rank: rank, Text: err.Error(), Node: c.m.plan.name(rank), Code: actor.CodeFailed}
	var e *actor.Error
	if errors.As(err, &e) {
		s.Code, s.Node, s.Host, s.Text, s.Stack = e.Code, e.Node, e.Host, e.Text, e.Stack
	} else {
		s.Code = codeOf(err)
	}
	c.answer.Silent = append(c.answer.Silent, s)
}

func (s Silent) err() error {
	return &actor.Error{Code: s.Code, Node: s.Node, Host: s.Host, Text: s.Text, Stack: s.Stack}
}

// codeOf finds the code by which an error is known on the other side.
func codeOf(err error) actor.Code {
	for _, is := range []error{actor.ErrPeerGone, actor.ErrStopped, actor.ErrUnreachable, actor.ErrNoNode, actor.ErrDeadlock, actor.ErrOverloaded,
		context.DeadlineExceeded, context.Canceled} {
		if !errors.Is(err, is) {
			continue
		}
		for code := actor.CodeFailed; code < actor.CodeFailed+64; code++ {
			if errors.Is(&actor.Error{Code: code}, is) {
				return code
			}
		}
	}
	return actor.CodeFailed
}
