package collective

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Question is a method that can be called on all members of a group, whose results are put together on the way back. See [NewQuestion].
type Question[T, A, R any] struct {
	name  string
	wrong error // what is wrong with its functions
}

// NewQuestion makes a question of a method and a function that puts two results together: in any grouping, but in the order of the tree, a member's own
// result before those of the members below it. Call it in a package-level variable, so that all processes know it:
//
//	var count = collective.NewQuestion((*Worker).Count, func(a, b int) int { return a + b })
//
// Members whose type is not a T, which may be an interface, have no result and pass on those of others. Where a function is nil, [Question.Ask] returns [ErrArgument].
func NewQuestion[T, A, R any](method func(T, context.Context, A) (R, error), merge func(a, b R) R) *Question[T, A, R] {
	return newQuestion(merge, method, func(_ context.Context, _ *Member, all []R) (R, error) {
		whole := all[0]
		for _, r := range all[1:] {
			whole = merge(whole, r)
		}
		return whole, nil
	})
}

// NewQuestionBy is [NewQuestion] where results are put together by a method of the members that have others below them: it is given the member's
// own result, if it has one, and theirs, as far as there are any. A member that is not an M passes on what it gets: it may have one result only.
func NewQuestionBy[T, M, A, R any](method func(T, context.Context, A) (R, error), merge func(M, context.Context, []R) (R, error)) *Question[T, A, R] {
	return newQuestion(merge, method, func(ctx context.Context, m *Member, all []R) (R, error) {
		node, ok := m.self.(M)
		switch {
		case ok:
			return merge(node, ctx, all)
		case len(all) == 1:
			return all[0], nil
		}
		var none R
		return none, fmt.Errorf("%w: %s has %d results to put together, and is a %T", ErrArgument, m.plan.name(m.rank), len(all), m.self)
	})
}

func newQuestion[T, A, R any](by any, method func(T, context.Context, A) (R, error), merge func(ctx context.Context, m *Member, all []R) (R, error)) *Question[T, A, R] {
	name := register(&handler{
		ask: func(ctx context.Context, m *Member, arg []byte) ([]byte, bool, error) {
			node, ok := m.self.(T)
			if !ok {
				return nil, false, nil
			}
			var a A
			if err := actor.Decode(arg, &a); err != nil {
				return nil, true, err
			}
			r, err := method(node, ctx, a)
			if err != nil {
				return nil, true, err
			}
			value, err := actor.Encode(r)
			return value, true, err
		},
		merge: func(ctx context.Context, m *Member, values [][]byte) ([]byte, error) {
			all := make([]R, len(values))
			for i, v := range values {
				if err := actor.Decode(v, &all[i]); err != nil {
					return nil, err
				}
			}
			whole, err := merge(ctx, m, all)
			if err != nil {
				return nil, err
			}
			return actor.Encode(whole)
		},
	}, method, by)
	return &Question[T, A, R]{name, needFunctions("Question", method, by)}
}

// An AskOption says when a question is answered well enough. The default is by all members.
type AskOption func(*asking)

type asking struct {
	wait  time.Duration
	least int // 0: not said
}

// Within ends a question after so long with the results that there are by then. At least one is needed, or as many as [AtLeast] says.
func Within(d time.Duration) AskOption { return func(a *asking) { a.wait = d } }

// AtLeast ends a question as soon as so many members have answered. A branch answers when all of it has, or when its share of [Within] is
// over, so with a member that takes for ever below another give both.
func AtLeast(members int) AskOption { return func(a *asking) { a.least = members } }

// A Reply is what came of a question.
type Reply[R any] struct {
	Value    R   // of those that answered, put together; the zero value where nobody did
	Answered int // members
	// Missing are those that did not, by rank; none where the others were enough before they could.
	Missing []Missing
}

// A Missing is a member that did not answer.
type Missing struct {
	Member string
	Err    error // its method's, or why it could not be asked; an [*actor.Error]
}

// A PartialError says that too few members have answered. What they have is in the [Reply].
type PartialError struct {
	Answered, Needed int
	Missing          []Missing
}

func (e *PartialError) Error() string {
	text := fmt.Sprintf("collective: %d members answered, and %d were needed", e.Answered, e.Needed)
	for i, m := range e.Missing {
		if i == 3 {
			return text + fmt.Sprintf("; and %d more", len(e.Missing)-i)
		}
		text += fmt.Sprintf("; %s: %v", m.Member, m.Err)
	}
	return text
}

// Unwrap gives the members' errors.
func (e *PartialError) Unwrap() []error {
	errs := make([]error, len(e.Missing))
	for i, m := range e.Missing {
		errs[i] = m.Err
	}
	return errs
}

// Ask calls the method on all members but n itself, along the tree of the group's shape from n, and returns their results, put together. (Along a binary tree where
// the shape's is deeper than 15: calls go down it, each in the turn of the one above.) Each
// member asks those below it, runs its own method, and puts the results together, all in one turn. Without options the error is a [*PartialError] unless
// all have answered. Where a member is gone those below it are asked all the same; what had answered to it is lost. Refs in arg and in
// results are not tied to the program.
func (q *Question[T, A, R]) Ask(ctx context.Context, n Node, arg A, opts ...AskOption) (Reply[R], error) {
	var reply Reply[R]
	if q.wrong != nil {
		return reply, q.wrong
	}
	m, data, err := routable(ctx, n, arg)
	if err != nil {
		return reply, err
	}
	var set asking
	for _, opt := range opts {
		opt(&set)
	}
	others := m.plan.shape.Len() - 1
	if set.least < 0 || set.least > others || set.wait < 0 {
		return reply, fmt.Errorf("%w: at least %d within %v, of %d others", ErrArgument, set.least, set.wait, others)
	}
	needed := set.least
	if needed == 0 && set.wait > 0 {
		needed = min(1, others)
	}
	r := m.route(q.name, data)
	r.Wait = int64(set.wait)
	handlers.Lock()
	h := handlers.byName[q.name]
	handlers.Unlock()
	c, err := m.askBelow(ctx, r)
	if err != nil {
		return reply, err
	}
	values := c.gather(ctx, set.least)
	if len(values) > 0 {
		whole, err := h.merge(ctx, m, values)
		if err != nil {
			return reply, err
		}
		if err := actor.Decode(whole, &reply.Value); err != nil {
			return reply, err
		}
	}
	reply.Answered = c.answer.Count
	slices.SortFunc(c.answer.Silent, func(a, b Silent) int { return cmp.Compare(a.Rank, b.Rank) })
	for _, s := range c.answer.Silent {
		reply.Missing = append(reply.Missing, Missing{m.plan.name(s.Rank), s.err()})
	}
	if ctx.Err() != nil {
		return reply, ctx.Err()
	}
	if set.least == 0 && set.wait == 0 {
		needed = reply.Answered + len(reply.Missing)
	}
	if reply.Answered < needed {
		return reply, &PartialError{reply.Answered, needed, reply.Missing}
	}
	return reply, nil
}

// CollectiveRoute passes a question on, and the answers back. It is called by members alone.
func (m *Member) CollectiveRoute(ctx context.Context, r Routed) (Answer, error) {
	h, err := m.routed(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	if h == nil {
		return Answer{}, fmt.Errorf("%w: %s has answered to a member that is gone", ErrLost, actor.Self(ctx))
	}
	c, err := m.askBelow(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	limited := ctx
	if r.Wait > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(r.Wait))
		defer cancel()
	}
	own, part, err := h.ask(limited, m, r.Arg)
	values := c.gather(ctx, 0)
	switch {
	case err != nil:
		c.silent(m.rank, err)
	case part:
		c.answer.Count++
		values = slices.Insert(values, 0, own)
	}
	if len(values) == 0 {
		return c.answer, nil
	}
	whole, err := h.merge(ctx, m, values)
	if err != nil { // then nobody has answered
		return Answer{}, err
	}
	c.answer.Value = [][]byte{whole}
	return c.answer, nil
}
