package actor

import (
	"context"
	"errors"
	"fmt"
)

// Replace puts a new node with value in the place of n: the same name, the
// same refs, the rest of its [Spec]. Messages gather for the new node from now
// on, as after [System.Spawn]. What n was sent, queued or being handled, ends
// with [ErrPeerGone] at once, and the contexts of its methods end; [Node.Stop]
// still has to be called on n, and waits for them. The error wraps
// [ErrStopped], or says what is wrong with value.
func (n *Node) Replace(value any) (*Node, error) {
	s, spec := n.sys, n.spec
	spec.Value = value
	next, err := s.newNode(spec)
	if err != nil {
		return nil, err
	}
	why := fmt.Errorf("%w: %s has failed and is started again", ErrPeerGone, n.key)
	n.mu.Lock()
	if n.phase == stopped || n.gone != nil || s.ctx.Err() != nil {
		n.mu.Unlock()
		next.cancel(ErrStopped)
		return nil, fmt.Errorf("%w: %s was stopped or replaced before", ErrStopped, n.key)
	}
	// The next takes its place before anybody hears of the end, so that whoever then tries again finds it.
	next.process = n.process
	s.mu.Lock()
	s.nodes[n.key] = next
	s.mu.Unlock()
	next.process.at.Store(next)
	NewRef[any](s.table, n.key).target.node.Store(next)
	n.gone = why
	var handled []answerer
	for _, w := range n.active {
		inv := w.running()
		if inv == nil {
			continue
		}
		switch inv.answer.(type) {
		case *call, *inbound: // which heed the first answer only; others wait for the method
			handled = append(handled, inv.answer)
		}
	}
	left, senders := n.emptyLocked()
	n.mu.Unlock()

	for _, b := range n.batches {
		left = append(left, b.close()...)
	}
	for _, m := range left {
		n.discard(m, why)
	}
	for _, sender := range senders {
		sender.answer(why)
	}
	gone := &Error{Code: codeGone, Node: n.key, Host: n.host, Text: why.Error()}
	for _, a := range handled {
		a.reply(nil, nil, gone)
	}
	n.cancel(why)
	return next, nil
}

// goneOr is why the node was replaced, or err where it was not.
func (n *Node) goneOr(err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone != nil {
		return n.gone
	}
	return err
}

// whyGone is err, or why the node was replaced where that is what has ended a method.
func (n *Node) whyGone(err error) error {
	if errors.Is(err, context.Canceled) {
		return n.goneOr(err)
	}
	return err
}
