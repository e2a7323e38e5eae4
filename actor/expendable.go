package actor

import "errors"

// expendable is what a node's value may say: that a tell of a method, which its end has overtaken, is nothing to log, as the protocol that it is part of
// finds out by itself.
type expendable interface{ Expendable(method string) bool }

// isExpendable tells whether a message that failed with err was one of those: it was not handled, since the node has ended or was replaced.
func (n *Node) isExpendable(m *message, err error) bool {
	v, ok := n.value.(expendable)
	return ok && (errors.Is(err, ErrStopped) || errors.Is(err, ErrPeerGone)) && v.Expendable(m.name())
}
