package tlaunch

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tartrl/tlaunch-go/actor"
)

// A blame says how likely a failure is to be the cause of others: the smaller,
// the likelier.
type blame uint8

const (
	// blameDeath: a process or a command was killed, or its host lost, before it had heard of the end.
	blameDeath blame = iota + 1
	// blameExit: a process exited before it had heard of the end. It may have done so because it lost another.
	blameExit
	// blameOwn: a node or host failed for a reason of its own.
	blameOwn
	// blameAsked: somebody called Kill.
	blameAsked
	// blameSilent: a process never heard of the end, and had to be killed when the notice was over.
	blameSilent
	// blameBereft: a node failed as one does that has lost another.
	blameBereft
	// blameLate: a failure after the end had begun.
	blameLate
	// blameOverdue: something had to be killed when the notice was over.
	blameOverdue
)

// A failure is something that went wrong in a run.
type failure struct {
	blame blame
	host  string // empty: the whole run's
	node  string // empty: the host's process
	err   error  // what Wait returns, where this is the first cause
}

// nodeBlame judges the error with which a node's Start or Run ended before its
// host had heard of the end. An error by which nodes learn that another is gone
// may be a consequence of what has not been heard of yet; so may a deadline,
// since who is gone does not answer.
func nodeBlame(err error) blame {
	if errors.Is(err, actor.ErrPanic) {
		return blameOwn
	}
	var command *CommandError
	if errors.As(err, &command) && command.Signal != "" {
		return blameDeath
	}
	for _, lost := range []error{
		actor.ErrUnreachable, actor.ErrPeerGone, actor.ErrStopped, actor.ErrOverloaded, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, lost) {
			return blameBereft
		}
	}
	return blameOwn
}

// firstCause finds the failure that the others follow from, in the order in
// which they were heard of; -1 if there is none. What one host says comes in
// the order in which it happened, but what several say does not. So it is not
// what came first, but what cannot have followed: a process that died before it
// had heard of the end comes before all that is said by those who lost it.
// Among equals the first counts. A node that failed of its own comes before the
// later death of its process.
func firstCause(heard []failure) int {
	if len(heard) == 0 {
		return -1
	}
	failed := map[string]bool{} // hosts of which a node has failed of its own
	order := make([]int, len(heard))
	rank := make([]blame, len(heard))
	for i, f := range heard {
		order[i], rank[i] = i, f.blame
		switch {
		case f.blame == blameOwn:
			failed[f.host] = true
		case (f.blame == blameDeath || f.blame == blameExit) && failed[f.host]:
			rank[i] = blameLate
		}
	}
	return slices.MinFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(rank[a], rank[b]), cmp.Compare(a, b)) })
}

// endFailure judges an error from the end of a host's nodes.
func endFailure(err error) failure {
	f := failure{blame: blameLate, err: err}
	if errors.Is(err, ErrKilled) {
		f.blame = blameOverdue
	}
	var e *NodeError
	if errors.As(err, &e) {
		f.host, f.node = e.Host, e.Node
	}
	return f
}
